//! The public models from end to end: proved, reproducible, at rest after one run.

use crate::cli::Place;
use crate::fixtures::folder;
use std::fs;

/// Optimizes one model and all that must hold of it.
fn end_to_end(id: &str) {
    let input = folder("models").join(format!("{id}.onnx"));
    assert!(input.is_file(), "{}: run `python3 tools/fetch.py models` first", input.display());
    let (input, place) = (input.to_str().unwrap(), Place::new());
    let read = |name: &str| fs::read(place.path(name)).unwrap();

    let report = place.run(&["optimize", input, "-o", "a.onnx", "--verify-each", "--json"]).json();
    assert_eq!(report["parity"]["status"], "passed", "{:#}", report["parity"]);
    assert!(report["parity"]["runtime"].as_str().unwrap().starts_with("ONNX Runtime"), "{report}");
    assert!(report["parity"]["cases"].as_u64() > Some(0));
    assert!(report["nodes"]["after"].as_u64() <= report["nodes"]["before"].as_u64(), "{report}");
    let diags = report["diags"].as_array().unwrap();
    assert!(!diags.iter().any(|d| d["code"] == "no-fixpoint"), "{diags:?}");

    place.run(&["optimize", input, "-o", "b.onnx", "--no-verify", "--json"]).json();
    assert!(read("a.onnx") == read("b.onnx"), "two runs differ");

    let again = place.run(&["optimize", "a.onnx", "-o", "c.onnx", "--no-verify", "--json"]).json();
    assert_eq!(again["changes"], 0, "{:#}", again["passes"]);
    assert!(read("a.onnx") == read("c.onnx"), "a second run writes something else");

    place.run(&["optimize", input, "-o", "d.onnx", "-O0", "--no-verify", "--json"]).json();
    let same = || place.run(&["diff", input, "d.onnx", "--json"]).json()["same"] == true;
    assert!(fs::read(input).unwrap() == read("d.onnx") || same(), "-O0 is no identity");

    let raised = place.run(&["optimize", input, "-o", "e.onnx", "--opset", "20", "--json"]).json();
    assert_eq!(raised["parity"]["status"], "passed", "{:#}", raised["parity"]);
    assert_eq!(
        interface(&place, input),
        interface(&place, place.path("e.onnx").to_str().unwrap()),
        "inputs or outputs changed"
    );
}

/// Inputs and outputs with name, order and type.
fn interface(place: &Place, model: &str) -> [serde_json::Value; 2] {
    let mut report = place.run(&["inspect", model, "--json"]).json();
    ["inputs", "outputs"].map(|side| report[side].take())
}

macro_rules! models {
    ($($test:ident $id:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            end_to_end($id);
        })+

        #[test]
        fn every_model_of_the_list_has_a_test() {
            let list = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models.tsv")).unwrap();
            let mut listed: Vec<&str> = list.lines().skip(1).filter_map(|l| l.split('\t').next()).collect();
            let mut tested = vec![$($id),+];
            listed.sort_unstable();
            tested.sort_unstable();
            assert_eq!(tested, listed);
        }
    };
}

models! {
    chars2vec "chars2vec",
    dnsmos "dnsmos",
    effnet_lite0 "effnet-lite0",
    magika "magika",
    minilm_l6 "minilm-l6",
    minilm_l6_int8w "minilm-l6-int8w",
    opennsfw "opennsfw",
    piper_vits "piper-vits",
    ppocrv2_cls "ppocrv2-cls",
    ppocrv4_det "ppocrv4-det",
    ppocrv4_rec "ppocrv4-rec",
    rxnmap "rxnmap",
    silero_vad "silero-vad",
    slovorez_fp16 "slovorez-fp16",
    t5s_title_encoder "t5s-title-encoder",
    tashkeel_bilstm_int8 "tashkeel-bilstm-int8",
    yolov8n_nudenet "yolov8n-nudenet",
}

#[test]
fn attention_is_found_in_every_layer() {
    let place = Place::new();
    let forms =
        [["--target", "onnx", "--opset", "23"], ["--target", "ort-cpu", "--enable", "fuse-attention"]];
    for (id, layers) in [("minilm-l6", 6), ("minilm-l6-int8w", 6), ("rxnmap", 15), ("t5s-title-encoder", 8)] {
        let input = folder("models").join(format!("{id}.onnx"));
        for form in forms {
            // What runs long is proved where models are measured.
            let proof = if id == "minilm-l6" { "--verify-each" } else { "--no-verify" };
            let arguments =
                [&["optimize", input.to_str().unwrap(), "-o", "o.onnx", "--json", proof], &form[..]].concat();
            let report = place.run(&arguments).json();
            assert_eq!(report["fused"]["attention"], layers, "{id} {form:?}: {:#}", report["passes"]);
            assert_ne!(report["parity"]["status"], "failed", "{id} {form:?}: {:#}", report["parity"]);
        }
    }
}
