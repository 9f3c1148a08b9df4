//! `docs/passes/<id>.md` is the `//!` of the pass's file.

use super::compare_golden;
use onnxpress::pipeline::{Entry, registry};
use onnxpress::rewrite::Exactness;
use std::path::{Path, PathBuf};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn page(pass: &Entry) -> String {
    let meta = pass.meta();
    let facts = format!("Class: {}. Level: {}.", meta.exactness, level(meta.exactness));
    format!("# {}\n\n{facts}\n\n{}", pass.id(), pass.page())
}

fn level(class: Exactness) -> String {
    class.level().map_or("by name only".into(), |level| format!("-O{level} and up"))
}

#[test]
fn pages_are_fresh() {
    let passes = registry();
    let mut stale = String::new();
    for pass in &passes {
        let path = project("docs/passes").join(format!("{}.md", pass.id()));
        if let Err(why) = compare_golden(&path, &page(pass)) {
            stale.push_str(&why);
        }
    }
    let written = std::fs::read_dir(project("docs/passes")).unwrap();
    for file in written.map(|f| f.unwrap().path()) {
        let id = file.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(passes.iter().any(|p| p.id() == id), "{} is the page of no pass", file.display());
    }
    assert!(stale.is_empty(), "BLESS=1 rewrites the pages:\n{stale}");
}
