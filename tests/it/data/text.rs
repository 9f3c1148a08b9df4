//! Text through a tokenizer of a few words.

use super::{all, failure, names, numbers, only, says, tensor};
use std::path::{Path, PathBuf};

const BERT: &str = "int64[n,s] input_ids, int64[n,s] attention_mask, int64[n,s] token_type_ids";

/// `[PAD]` is 0, `[UNK]` 1, `[CLS]` 2, `[SEP]` 3, then the words; `[CLS]` and `[SEP]` stand around each line.
fn tokenizer(folder: &Path, more: &str) -> PathBuf {
    let path = folder.join("tokenizer.json");
    let text = r#"{ "version": "1.0", MORE "added_tokens": [], "normalizer": { "type": "Lowercase" },
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] }, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "[UNK]",
            "vocab": { "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "cat": 5, "sat": 6 } } }"#;
    let none = r#""truncation": null, "padding": null,"#;
    std::fs::write(&path, text.replace("MORE", if more.is_empty() { none } else { more })).unwrap();
    path
}

pub(super) struct Case {
    folder: tempfile::TempDir,
    pub(super) text: PathBuf,
    pub(super) settings: String,
}

pub(super) fn case(text: &str, more: &str, settings: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let file = tokenizer(folder.path(), more);
    let path = folder.path().join("a.txt");
    std::fs::write(&path, text).unwrap();
    let settings = format!("[text]\ntokenizer = '{}'\n{settings}", file.display());
    Case { folder, text: path, settings }
}

#[test]
fn a_line_is_a_sample_of_its_own_length() {
    let case = case("The cat sat\n\n dog\n", "", "");
    let sets = all(&case.text, BERT, &case.settings);
    assert_eq!(sets.iter().map(|set| set.label.as_str()).collect::<Vec<_>>(), ["a.txt:1", "a.txt:3"]);
    assert_eq!(numbers(&sets[0], "input_ids"), [2.0, 4.0, 5.0, 6.0, 3.0]);
    assert_eq!(numbers(&sets[0], "attention_mask"), [1.0; 5]);
    assert_eq!(numbers(&sets[0], "token_type_ids"), [0.0; 5]);
    assert_eq!(
        (numbers(&sets[1], "input_ids"), tensor(&sets[1], "input_ids").shape()),
        (vec![2.0, 1.0, 3.0], &[1, 3][..])
    );
}

#[test]
fn lines_are_cut_and_filled_up_as_asked() {
    let case = case("the cat sat the cat sat\ncat\n", "", "max_length = 5\npadding = \"max-length\"");
    let sets = all(&case.text, BERT, &case.settings);
    assert_eq!(numbers(&sets[0], "input_ids"), [2.0, 4.0, 5.0, 6.0, 3.0]);
    assert_eq!(numbers(&sets[1], "input_ids"), [2.0, 5.0, 3.0, 0.0, 0.0]);
    assert_eq!(numbers(&sets[1], "attention_mask"), [1.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn padding_of_the_file_counts_only_where_it_is_asked_for() {
    let more = r#""truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 8 }, "direction": "Left", "pad_to_multiple_of": null, "pad_id": 6,
            "pad_type_id": 1, "pad_token": "sat" },"#;
    let as_is = case("the cat sat\ncat", more, "");
    let sets = all(&as_is.text, BERT, &as_is.settings);
    assert_eq!(numbers(&sets[0], "input_ids"), [2.0, 4.0, 5.0, 3.0]);
    assert_eq!(numbers(&sets[1], "input_ids"), [2.0, 5.0, 3.0]);
    let asked = case("cat", more, "padding = \"max-length\"");
    let set = only(&asked.text, BERT, &asked.settings);
    assert_eq!(numbers(&set, "input_ids"), [6.0, 2.0, 5.0, 3.0]);
    assert_eq!(numbers(&set, "token_type_ids"), [1.0, 0.0, 0.0, 0.0]);
    let other = case("cat", more, "padding = \"max-length\"\npad_token = \"[PAD]\"");
    assert_eq!(numbers(&only(&other.text, BERT, &other.settings), "input_ids")[0], 0.0);
}

#[test]
fn inputs_go_by_name_and_type_of_the_model() {
    let case = case("the cat", "", "");
    let inputs =
        "int32[s] \"input_ids:0\", float[n,s] input_mask, int32[n,s] position_ids, bool[n,s] attention_mask";
    let set = only(&case.text, inputs, &case.settings);
    assert_eq!(tensor(&set, "input_ids:0").shape(), [4]);
    assert_eq!((numbers(&set, "input_mask"), numbers(&set, "attention_mask")), (vec![1.0; 4], vec![1.0; 4]));
    assert_eq!(numbers(&set, "position_ids"), [0.0, 1.0, 2.0, 3.0]);
    let renamed = format!("{}inputs = {{ tokens = \"input_ids\" }}", case.settings);
    assert_eq!(numbers(&only(&case.text, "int64[n,s] tokens", &renamed), "tokens"), [2.0, 4.0, 5.0, 3.0]);
    says(
        &failure(&case.text, "int64[n,s] tokens", &case.settings),
        "none of the model's inputs is called input_ids",
    );
    let more = failure(&case.text, "int64[n,s] input_ids, int64 task", &case.settings);
    says(&more, "nothing for the model's input 'task'");
    let constant = format!("constants = {{ task = 2 }}\n{}", case.settings);
    assert_eq!(numbers(&only(&case.text, "int64[n,s] input_ids, int64 task", &constant), "task"), [2.0]);
}

#[test]
fn a_model_of_fixed_length_says_what_to_set() {
    let case = case("the cat", "", "");
    let error = failure(&case.text, "int64[1,8] input_ids", &case.settings);
    says(&error, "int64[1, 4] for an input of int64[1,8]");
    assert!(error.help().unwrap().contains("max-length"));
    names(&error, &case.text);
    assert_eq!(error.node(), Some("input_ids"));
}

#[test]
fn what_is_not_said_is_not_guessed() {
    let case = case("the cat", "", "");
    says(&failure(&case.text, BERT, ""), "do not say how text becomes inputs");
    says(&failure(&case.text, BERT, "[text]"), "name no tokenizer");
    let open = format!("{}padding = \"max-length\"", case.settings);
    says(&failure(&case.text, BERT, &open), "how long short lines become");
    let token = format!("{}padding = \"max-length\"\nmax_length = 4\npad_token = \"dog\"", case.settings);
    says(&failure(&case.text, BERT, &token), "no token 'dog'");
    for length in [0, 2] {
        let tight = failure(&case.text, BERT, &format!("{}max_length = {length}", case.settings));
        says(&tight, &format!("`max_length` is {length}, and 2 tokens stand around each line"));
    }
}

#[test]
fn damaged_files_name_themselves() {
    let case = case("the cat", "", "");
    let broken = case.folder.path().join("tokenizer.json");
    std::fs::write(&broken, "{}").unwrap();
    let error = failure(&case.text, BERT, &case.settings);
    says(&error, "not a tokenizer that can be read");
    names(&error, &broken);
    std::fs::remove_file(&broken).unwrap();
    names(&failure(&case.text, BERT, &case.settings), &broken);
    tokenizer(case.folder.path(), "");
    std::fs::write(&case.text, b"the cat\n\xff\xfe\n").unwrap();
    let source = super::open(&case.text, BERT, &case.settings).unwrap();
    let wrong: Vec<_> = source.samples().filter_map(Result::err).collect();
    assert_eq!(wrong.len(), 1);
    says(&wrong[0], "line 2: not UTF-8");
    names(&wrong[0], &case.text);
    std::fs::write(&case.text, "\n \n").unwrap();
    let error = failure(&case.text, BERT, &case.settings);
    assert!(error.message().contains("no sample"), "{error}");
    names(&error, &case.text);
}

#[test]
fn a_tokenizer_that_panics_is_an_error() {
    let case = case("the cat", "", "");
    let path = case.folder.path().join("tokenizer.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    // A template that names a token it does not describe makes the crate panic.
    let template = r#"{ "type": "TemplateProcessing", "single": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }],
        "pair": [], "special_tokens": {} }"#;
    let (start, end) =
        (whole.find("{ \"type\": \"BertProcessing\"").unwrap(), whole.find(", \"decoder\"").unwrap());
    std::fs::write(&path, format!("{}{template}{}", &whole[..start], &whole[end..])).unwrap();
    let error = failure(&case.text, BERT, &case.settings);
    assert!(error.help().is_some(), "{error:?}");
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = b'9';
        std::fs::write(&path, bytes).unwrap();
        if let Ok(source) = super::open(&case.text, BERT, &case.settings) {
            source.samples().for_each(drop);
        }
    }
}
