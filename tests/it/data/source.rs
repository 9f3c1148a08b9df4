//! Order, number, laziness and digest of samples, and random ones.

use super::arrays::{npy, npz};
use super::{failure, model, names, numbers, open, says, spec, tensor};
use crate::fixtures::onnx_runtime;
use onnxpress::data::{RANDOM_SAMPLES, Source, load};
use onnxpress::diag::Severity;
use onnxpress::error::Result;
use onnxpress::io;
use onnxpress::runtime::{Runtime, SessionOptions, Source as ModelSource};
use onnxpress::text::parse_model;
use std::path::Path;

const X: &str = "float[n,2] x";

fn archives(folder: &Path, count: usize) {
    for at in 0..count {
        npz(&folder.join(format!("s{at}.npz")), &[("x", npy("(1, 2)", 2))]);
    }
}

fn labels(source: &Source) -> Vec<String> {
    source.samples().map(|sample| sample.unwrap().label).collect()
}

#[test]
fn the_seed_chooses_the_order_and_with_it_the_selection() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 20);
    let take = |settings: &str| labels(&open(folder.path(), X, settings).unwrap());
    let whole = take("");
    assert_eq!(take("seed = 0"), whole);
    assert_ne!(take("seed = 1"), whole);
    assert_eq!(take("max_samples = 5"), whole[..5]);
    assert_eq!(take("max_samples = 99"), whole);
    let mut sorted = whole.clone();
    sorted.sort_by_key(|label| (label.len(), label.clone()));
    assert_ne!(sorted, whole);
    let stored: Vec<String> =
        load(folder.path(), &model(X)).unwrap().into_iter().map(|set| set.label).collect();
    assert_eq!(stored, sorted);
}

#[test]
fn a_part_is_a_source_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 6);
    let whole = open(folder.path(), X, "").unwrap();
    let all = labels(&whole);
    let (first, rest) = (whole.part(0..4), whole.part(4..6));
    assert_eq!((labels(&first), labels(&rest)), (all[..4].to_vec(), all[4..].to_vec()));
    assert_eq!((rest.len(), labels(&rest.part(1..2))), (2, all[5..].to_vec()));
    let digest = |source: &Source| source.digest().unwrap();
    assert_ne!(digest(&first), digest(&whole));
    assert_ne!(digest(&rest), digest(&first));
    assert_eq!(digest(&whole.part(0..6)), digest(&whole));
    assert_eq!(digest(&open(folder.path(), X, "held_out = 2").unwrap()), digest(&whole));
}

#[test]
fn samples_are_read_again_at_every_call_and_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 3);
    let source = open(folder.path(), X, "").unwrap();
    let order = labels(&source);
    assert_eq!((source.len(), labels(&source)), (3, order.clone()));
    let second = folder.path().join(&order[1]);
    std::fs::write(&second, "damaged").unwrap();
    let mut samples = source.samples();
    assert_eq!(samples.next().unwrap().unwrap().label, order[0]);
    names(&samples.next().unwrap().unwrap_err(), &second);
    assert_eq!(samples.next().unwrap().unwrap().label, order[2]);
    assert!(samples.next().is_none());
    assert_eq!(source.sample(2).unwrap().label, order[2]);
}

#[test]
fn a_source_is_read_by_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 8);
    let source = open(folder.path(), X, "").unwrap();
    std::thread::scope(|scope| {
        for at in 0..8 {
            let source = &source;
            scope.spawn(move || source.sample(at).unwrap());
        }
    });
}

#[test]
fn the_digest_follows_names_contents_settings_and_order() {
    let digest = |folder: &Path, settings: &str| open(folder, X, settings).unwrap().digest().unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &two] {
        std::fs::write(folder.path().join("a.npy"), npy("(1, 2)", 2)).unwrap();
        std::fs::write(folder.path().join("b.npy"), npy("(2, 2)", 4)).unwrap();
    }
    let first = digest(one.path(), "");
    assert_eq!((first.len(), &digest(one.path(), "")), (64, &first));
    assert_eq!(digest(two.path(), ""), first, "where the folder lies does not matter");
    assert_ne!(digest(one.path(), "seed = 7"), first);
    assert_ne!(digest(one.path(), "max_samples = 1"), first);
    let constant = |value: &str| {
        let settings = format!("constants = {{ k = {value} }}");
        open(one.path(), &format!("{X}, float[1] k"), &settings).unwrap().digest().unwrap()
    };
    let numbers = [constant("nan"), constant("inf"), constant("-inf"), constant("0.0")];
    assert!((1..4).all(|i| !numbers[..i].contains(&numbers[i])), "{numbers:?}");
    assert_ne!(digest(one.path(), "[image]\npreset = \"raw\""), first);
    std::fs::rename(two.path().join("b.npy"), two.path().join("c.npy")).unwrap();
    assert_ne!(digest(two.path(), ""), first);
    std::fs::rename(two.path().join("c.npy"), two.path().join("b.npy")).unwrap();
    std::fs::write(two.path().join("note.md"), "left out").unwrap();
    assert_eq!(digest(two.path(), ""), first, "what is not read does not matter");
    let mut changed = npy("(2, 2)", 4);
    *changed.last_mut().unwrap() = 1;
    std::fs::write(two.path().join("b.npy"), changed).unwrap();
    assert_ne!(digest(two.path(), ""), first);
}

#[test]
fn what_is_left_out_is_remarked() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 1);
    assert!(open(folder.path(), X, "").unwrap().remarks().is_empty());
    std::fs::write(folder.path().join("clip.mp3"), "").unwrap();
    let source = open(folder.path(), X, "").unwrap();
    let remark = source.remarks().iter().next().unwrap();
    assert_eq!((remark.code, remark.severity), ("unread-files", Severity::Note));
    assert!(remark.at.as_ref().unwrap().ends_with("clip.mp3"));
}

#[test]
fn there_must_be_something_of_one_kind() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path(), X, "").err().unwrap();
    says(&error, "no file of a kind that is read");
    names(&error, folder.path());
    let missing = folder.path().join("none");
    names(&open(&missing, X, "").err().unwrap(), &missing);
    archives(folder.path(), 1);
    says(&open(folder.path(), X, "max_samples = 0").err().unwrap(), "`max_samples`");
    std::fs::write(folder.path().join("words.txt"), "").unwrap();
    let words = load(&folder.path().join("words.txt"), &model(X)).unwrap_err();
    says(&words, "text files cannot be fed as they are");
    let error = open(folder.path(), X, "").err().unwrap();
    says(&error, "a folder holds one kind of files");
    assert!(error.message().contains("text") && error.message().contains("s0.npz"), "{error}");
}

fn random(text: &str, settings: &str) -> Result<Source> {
    let model = parse_model(text).unwrap();
    let bytes = ModelSource::bytes(io::to_bytes(&model).unwrap());
    let mut session = onnx_runtime().session(&bytes, &SessionOptions::default()).unwrap();
    Source::random(&model, &spec(settings), &mut *session)
}

const SUM: &str = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
     g (float[n,6] x, float s) => (float[n,6] y)\n{\n y = Mul (x, s)\n}";

#[test]
fn constants_that_fit_no_input_are_not_blamed_on_the_model() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>
        g (float[2] x, int64[1] k) => (float[2] y) { y = Neg (x) }";
    let error = random(text, "constants = { k = 0.5 }").map(|_| ()).unwrap_err();
    assert!(error.message().contains("the number 0.5 for an input of int64"), "{error}");
    assert!(error.node() == Some("k") && error.help().unwrap().contains("`constants`"), "{error:?}");
}

#[test]
fn a_state_needs_an_output_and_a_beginning() {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 3);
    let inputs = format!("{X}, float[2] state");
    let fails = |settings: &str| open(folder.path(), &inputs, settings).map(|_| ()).unwrap_err();
    says(&fails("constants = { state = 0 }\ncarry = { state = \"stateN\" }"), "no output 'stateN'");
    says(&fails("carry = { state = \"out\" }"), "nothing says how 'state' begins");
    says(&fails("constants = { state = 0 }\ncarry = { stat = \"out\" }"), "no input 'stat'");
    let settings = "seed = 3\nconstants = { state = 0 }\ncarry = { state = \"out\" }";
    let source = open(folder.path(), &inputs, settings).unwrap();
    assert!(labels(&source).is_sorted() && source.begins(0) && !source.begins(1));
    let too_large = "constants = { state = { value = 0, shape = [65536, 65536] } }";
    says(&failure(folder.path(), &inputs, too_large), "more than 16777216 elements");
}

#[test]
fn random_samples_are_marked_and_follow_the_seed() {
    let source = random(SUM, "constants = { s = 3 }").unwrap();
    assert!(source.is_random());
    assert!(source.remarks().iter().any(|d| d.code == "random-data" && d.severity == Severity::Warning));
    assert_eq!(source.len(), RANDOM_SAMPLES);
    let sets: Vec<_> = source.samples().map(Result::unwrap).collect();
    assert!(sets.iter().all(|set| numbers(set, "s") == [3.0] && tensor(set, "x").shape()[1] == 6));
    assert_ne!(numbers(&sets[0], "x"), numbers(&sets[1], "x"));
    let same = random(SUM, "constants = { s = 3 }").unwrap();
    assert_eq!(numbers(&same.sample(0).unwrap(), "x"), numbers(&sets[0], "x"));
    assert_eq!(same.digest().unwrap(), source.digest().unwrap());
    let other = random(SUM, "seed = 1\nmax_samples = 2").unwrap();
    assert_eq!(other.len(), 2);
    assert_ne!(other.digest().unwrap(), source.digest().unwrap());
    assert!(!open_archive().is_random());
}

fn open_archive() -> Source {
    let folder = tempfile::tempdir().unwrap();
    archives(folder.path(), 1);
    open(folder.path(), X, "").unwrap()
}

#[test]
fn random_samples_take_sizes_on_which_the_model_runs() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
         g (float[n] x) => (float[m,32] y)\n<int64[2] shape = {-1, 32}>\n{\n y = Reshape (x, shape)\n}";
    let source = random(text, "").unwrap();
    assert_eq!(tensor(&source.sample(0).unwrap(), "x").len() % 32, 0);
    // 7 · 11 · 13 elements are never tried.
    let never =
        text.replace("[2] shape = {-1, 32}", "[3] shape = {7, 11, 13}").replace("[m,32]", "[7,11,13]");
    says(&random(&never, "").err().unwrap(), "ran on none");
}
