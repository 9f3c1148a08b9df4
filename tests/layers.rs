//! An import may only point down the layers of the house.
#![allow(clippy::unwrap_used)]

use std::path::Path;

/// From the top; modules of one row may not import each other, except within themselves.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["batch"],
    &["pipeline"],
    &["quantize", "prune", "lowrank", "precision"],
    &["calibrate"],
    &["check", "passes", "validate"],
    &["data", "rewrite", "report"],
    &["runtime"],
    &["analysis", "target"],
    &["schema", "text", "io"],
    &["ir"],
    &["tensor", "proto", "recipe"],
    &["diag", "error", "foreign"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The modules that a source file imports from the crate.
fn imports(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(rest.to_owned());
        }
    }
    found
        .into_iter()
        .map(|path| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|module| !module.is_empty())
        .collect()
}

fn sources(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn imports_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let home = layer(module).unwrap_or_else(|| panic!("module `{module}` has no layer"));
        for import in imports(&std::fs::read_to_string(file).unwrap()) {
            let Some(there) = layer(&import) else { continue };
            checked += 1;
            if import != module && there <= home {
                wrong.push(format!("{}: `{module}` imports `{import}`", relative.display()));
            }
        }
    }
    assert!(checked > 0, "no import was found");
    assert!(wrong.is_empty(), "imports that point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn groups_are_read() {
    assert_eq!(imports("use crate::{ir::{A, B}, tensor::C};\nuse crate::io;"), ["ir", "tensor", "io"]);
}
