//! All passes, in the order of the lines of `passes/mod.rs`, from which the build script makes the list.

use crate::rewrite::{Meta, Work};

/// A pass, and the text of its file.
pub struct Entry {
    work: Work,
    source: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/registry.rs"));

impl Entry {
    /// What the pass says of itself.
    pub fn meta(&self) -> &Meta {
        self.work.meta()
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
