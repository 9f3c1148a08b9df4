//! All passes, in the order in which they run.
//!
//! A new pass is its file, its line in `passes/mod.rs` and one line here.

use crate::passes::{
    convert_opset, fold_constants, fuse_conv_batch_norm, fuse_gelu, fuse_gelu_tanh, fuse_layer_norm,
    infer_shapes, inline_constant_if, lift_constants, merge_duplicates, remove_dead, remove_identity,
};
use crate::rewrite::{Fusion, Meta, Pass, Rule, fusion};

/// A pass, and the text of its file.
pub struct Entry {
    work: Work,
    source: &'static str,
}

/// How a pass works.
pub enum Work {
    /// A node at a time, by the engine.
    Rule(Box<dyn Rule>),
    /// Over the whole model.
    Whole(Box<dyn Pass>),
}

/// All passes, in the order in which they run.
pub fn registry() -> Vec<Entry> {
    vec![
        Entry::whole(convert_opset::ConvertOpset, include_str!("../passes/convert_opset.rs")),
        Entry::rule(lift_constants::LiftConstants, include_str!("../passes/lift_constants.rs")),
        Entry::whole(infer_shapes::InferShapes, include_str!("../passes/infer_shapes.rs")),
        Entry::rule(inline_constant_if::InlineConstantIf, include_str!("../passes/inline_constant_if.rs")),
        Entry::rule(remove_identity::RemoveIdentity, include_str!("../passes/remove_identity.rs")),
        Entry::whole(merge_duplicates::MergeDuplicates, include_str!("../passes/merge_duplicates.rs")),
        Entry::whole(fold_constants::FoldConstants, include_str!("../passes/fold_constants.rs")),
        Entry::formula(fuse_layer_norm::FuseLayerNorm, include_str!("../passes/fuse_layer_norm.rs")),
        Entry::formula(fuse_gelu::FuseGelu, include_str!("../passes/fuse_gelu.rs")),
        Entry::formula(fuse_gelu_tanh::FuseGeluTanh, include_str!("../passes/fuse_gelu_tanh.rs")),
        Entry::rule(
            fuse_conv_batch_norm::FuseConvBatchNorm,
            include_str!("../passes/fuse_conv_batch_norm.rs"),
        ),
        Entry::whole(remove_dead::RemoveDead, include_str!("../passes/remove_dead.rs")),
    ]
}

impl Entry {
    /// A rule and the text of its file.
    pub fn rule(rule: impl Rule + 'static, source: &'static str) -> Self {
        Self { work: Work::Rule(Box::new(rule)), source }
    }

    /// A fusion and the text of its file.
    pub fn formula(formula: impl Fusion + 'static, source: &'static str) -> Self {
        Self { work: Work::Rule(fusion(formula)), source }
    }

    /// A pass over whole models and the text of its file.
    pub fn whole(pass: impl Pass + 'static, source: &'static str) -> Self {
        Self { work: Work::Whole(Box::new(pass)), source }
    }

    /// What the pass says of itself.
    pub fn meta(&self) -> &Meta {
        match &self.work {
            Work::Rule(rule) => rule.meta(),
            Work::Whole(pass) => pass.meta(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &'static str {
        self.meta().id
    }

    /// How it works.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Its page, in Markdown: what the `//!` of its file says.
    pub fn page(&self) -> String {
        let lines = self.source.lines().map_while(|l| l.strip_prefix("//!"));
        lines.fold(String::new(), |page, line| page + line.strip_prefix(' ').unwrap_or(line) + "\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let all = registry();
        let ids: BTreeSet<&str> = all.iter().map(Entry::id).collect();
        assert_eq!(ids.len(), all.len());
        for id in ids {
            let kebab = !id.is_empty()
                && id.split('-').all(|w| {
                    !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                });
            assert!(kebab, "{id}");
        }
    }

    #[test]
    fn every_file_is_registered_and_every_pass_is_the_file_of_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/passes");
        let files: BTreeSet<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "rs"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name != "mod")
            .collect();
        let registered: BTreeSet<String> = registry().iter().map(|e| e.id().replace('-', "_")).collect();
        assert_eq!(registered, files);
        for entry in registry() {
            let path = folder.join(entry.id().replace('-', "_") + ".rs");
            assert_eq!(std::fs::read_to_string(path).unwrap(), entry.source, "{}", entry.id());
        }
    }

    #[test]
    fn every_page_begins_with_its_id_and_shows_the_rewrite() {
        for entry in registry() {
            let page = entry.page();
            assert!(page.starts_with(&format!("`{}`: ", entry.id())), "{page}");
            assert!(page.contains("```text\n"), "{page}");
            assert!(
                !entry.meta().summary.is_empty() && !entry.meta().summary.ends_with('.'),
                "{}",
                entry.id()
            );
        }
    }
}
