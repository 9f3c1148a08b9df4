//! A fixture: a text model and what its head says.

use onnxpress::ir::Model;
use onnxpress::rewrite::OpsetRequest;
use onnxpress::text::parse_model;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Bytes by which a file may grow where the fixture does not say.
const BUDGET: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Applied,
    Miss(String),
    Nothing,
    Types,
}

/// What a fixture says of an input.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    Elements(Vec<f64>),
    Shape(Vec<usize>),
}

#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) pass: String,
    pub(super) path: PathBuf,
    pub(super) expect: Expect,
    pub(super) feeds: BTreeMap<String, Feed>,
    /// Elements of outputs by the definition of an operator that ONNX Runtime has no kernel of.
    pub(super) answers: BTreeMap<String, Vec<f64>>,
    pub(super) dims: BTreeMap<String, usize>,
    pub(super) budget: u64,
    pub(super) runtime: bool,
    pub(super) opset: OpsetRequest,
    pub(super) target: String,
    text: String,
}

impl Fixture {
    /// What holds where a head says nothing.
    pub(super) fn unsaid() -> Self {
        Fixture {
            pass: String::new(),
            path: PathBuf::new(),
            expect: Expect::Nothing,
            feeds: BTreeMap::new(),
            answers: BTreeMap::new(),
            dims: BTreeMap::new(),
            budget: BUDGET,
            runtime: true,
            opset: OpsetRequest::Keep,
            target: "onnx".to_owned(),
            text: String::new(),
        }
    }

    fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let pass = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let mut fixture = Fixture { pass, path, text: text.clone(), ..Fixture::unsaid() };
        let mut said = false;
        for line in text.lines().map_while(|l| l.strip_prefix("# ")) {
            let (key, rest) = line.split_once(": ").unwrap_or_else(|| panic!("{:?}: {line}", fixture.path));
            match key {
                "expect" => {
                    said = true;
                    fixture.expect =
                        expectation(rest).unwrap_or_else(|| panic!("{:?}: {rest}", fixture.path));
                }
                "feed" => {
                    let (name, value) = rest.split_once(" = ").unwrap();
                    fixture.feeds.insert(name.to_owned(), feed(value));
                }
                "answer" => {
                    let (name, value) = rest.split_once(" = ").unwrap();
                    let Feed::Elements(elements) = feed(value) else { panic!("{:?}: {rest}", fixture.path) };
                    fixture.answers.insert(name.to_owned(), elements);
                }
                "dims" => {
                    let (name, size) = rest.split_once('=').unwrap();
                    fixture.dims.insert(name.to_owned(), size.parse().unwrap());
                }
                "budget" => fixture.budget = rest.parse().unwrap(),
                "opset" => fixture.opset = OpsetRequest::Version(rest.parse().unwrap()),
                "target" => fixture.target = rest.to_owned(),
                "runtime" => fixture.runtime = rest != "none",
                _ => panic!("{:?}: {line}", fixture.path),
            }
        }
        assert!(said, "{:?} does not say what to expect", fixture.path);
        fixture
    }

    pub(super) fn model(&self) -> Result<Model, String> {
        parse_model(&self.text).map_err(|e| format!("{e:?}"))
    }
}

fn expectation(text: &str) -> Option<Expect> {
    Some(match text {
        "applied" => Expect::Applied,
        "nothing" => Expect::Nothing,
        "types" => Expect::Types,
        _ => Expect::Miss(text.strip_prefix("miss \"")?.strip_suffix('"')?.to_owned()),
    })
}

fn feed(text: &str) -> Feed {
    match text.strip_prefix('{') {
        Some(list) => {
            let list = list.strip_suffix('}').unwrap();
            Feed::Elements(list.split(',').map(|e| e.trim().parse().unwrap()).collect())
        }
        None => Feed::Shape(text.split(',').map(|d| d.trim().parse().unwrap()).collect()),
    }
}

/// Every fixture of every pass, in order of path.
pub(super) fn all() -> Vec<Fixture> {
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/passes");
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        if folder.is_dir() {
            let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
            for golden in files.iter().filter(|f| f.extension().is_some_and(|e| e == "diff")) {
                assert!(golden.with_extension("onnxtxt").exists(), "{} is left over", golden.display());
            }
            paths.extend(files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "onnxtxt")));
        }
    }
    paths.sort();
    paths.into_iter().map(Fixture::read).collect()
}
