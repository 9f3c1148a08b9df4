//! npz, npy and ONNX test data sets.

use super::{all, failure, names, numbers, only, open, says, tensor};
use onnxpress::proto::TensorProto;
use prost::Message;
use std::io::Write;
use std::path::Path;

const TWO: &str = "float[n,2] x";

/// A `float32` array of zeros.
pub(super) fn npy(shape: &str, len: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.resize(out.len() + 4 * len, 0);
    out
}

pub(super) fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(array).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn an_archive_is_a_sample_and_shapes_differ_from_one_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    npz(&folder.path().join("a.npz"), &[("x", npy("(3, 2)", 6))]);
    npz(&folder.path().join("b.npz"), &[("x", npy("(5, 2)", 10))]);
    let sets = all(folder.path(), TWO, "");
    let shapes: Vec<&[usize]> = sets.iter().map(|set| tensor(set, "x").shape()).collect();
    assert_eq!(shapes, [[3, 2], [5, 2]]);
    assert_eq!(only(&folder.path().join("a.npz"), TWO, "").label, "a.npz");
}

#[test]
fn names_may_be_written_as_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    npz(&path, &[("x_0", npy("(1, 2)", 2))]);
    assert_eq!(tensor(&only(&path, "float[n,2] \"x:0\"", ""), "x:0").shape(), [1, 2]);
}

#[test]
fn arrays_named_as_inputs_are_one_sample() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x.npy", "y.npy"] {
        std::fs::write(folder.path().join(name), npy("(1, 2)", 2)).unwrap();
    }
    let set = only(folder.path(), "float[n,2] x, float[n,2] y", "");
    assert_eq!(set.values.len(), 2);
}

#[test]
fn arrays_of_other_names_are_one_sample_each() {
    let folder = tempfile::tempdir().unwrap();
    for (name, len) in [("s1", 1), ("s2", 2)] {
        let path = folder.path().join(format!("{name}.npy"));
        std::fs::write(path, npy(&format!("({len}, 2)"), 2 * len)).unwrap();
    }
    assert_eq!(all(folder.path(), TWO, "").len(), 2);
    let both = "int64 sr, float[n,2] x";
    says(&failure(folder.path(), both, ""), "a model of 2 inputs: sr, x");
    assert_eq!(all(folder.path(), both, "constants = { sr = 16000 }").len(), 2);
    assert_eq!(all(folder.path(), both, "input = \"x\"\nconstants = { sr = 16000 }").len(), 2);
    std::fs::write(folder.path().join("x.npy"), npy("(1, 2)", 2)).unwrap();
    says(&failure(folder.path(), TWO, ""), "named as inputs");
}

#[test]
fn a_test_data_set_holds_the_inputs_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let value = TensorProto {
        dims: vec![1, 2],
        data_type: Some(1),
        float_data: vec![3.0, 4.0],
        ..Default::default()
    };
    for (set, file) in [("test_data_set_0", "input_0.pb"), ("test_data_set_1", "input_0.pb")] {
        std::fs::create_dir(folder.path().join(set)).unwrap();
        std::fs::write(folder.path().join(set).join(file), value.encode_to_vec()).unwrap();
    }
    let sets = all(folder.path(), TWO, "");
    assert_eq!((sets.len(), numbers(&sets[1], "x")), (2, vec![3.0, 4.0]));
    let odd = folder.path().join("test_data_set_0/input_1.pb");
    std::fs::write(&odd, value.encode_to_vec()).unwrap();
    let error = failure(&folder.path().join("test_data_set_0"), TWO, "");
    assert!(error.message().contains("1 inputs only"), "{error}");
    names(&error, &odd);
    let other = failure(&folder.path().join("test_data_set_1"), "float[n,3] x", "");
    assert_eq!(other.node(), Some("x"));
    names(&other, &folder.path().join("test_data_set_1/input_0.pb"));
}

#[test]
fn misfits_name_file_and_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    npz(&path, &[("x", npy("(3, 3)", 9))]);
    let shape = failure(&path, TWO, "");
    says(&shape, "float[3, 3] for an input of float[n,2]");
    names(&shape, &path);
    assert_eq!(shape.node(), Some("x"));
    let dtype = failure(&path, "int64[n,3] x", "");
    says(&dtype, "float[3, 3] for an input of int64[n,3]");
    let name = failure(&path, "float[n,3] image", "");
    says(&name, "no input 'x'");
    assert!(name.help().unwrap().contains("image"));
    names(&name, &path);
    let missing = failure(&path, "float[n,3] x, float s", "");
    says(&missing, "nothing for the model's input 's'");
    names(&missing, &path);
}

#[test]
fn an_input_has_one_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    npz(&path, &[("x_0", npy("(1, 2)", 2)), ("x:0", npy("(1, 2)", 2))]);
    says(&failure(&path, "float[n,2] \"x:0\"", ""), "two values for the model's input 'x:0'");
}

#[test]
fn a_damaged_archive_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    std::fs::write(&path, "no archive").unwrap();
    let error = failure(&path, TWO, "");
    assert!(error.message().contains("not an .npz archive"));
    names(&error, &path);
}

#[test]
fn constants_fill_what_the_data_do_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    npz(&path, &[("x", npy("(3, 2)", 6))]);
    let inputs = "float[b,2] x, int64 sr, float[2,b,4] state, float[k] scales, bool[1] flag, float[m,2] open";
    let settings = "[constants]\nsr = 16000\nstate = 0.5\nscales = [0, 1, 0.5]\nflag = true\n\
                    open = { value = 7, shape = [1, 2] }";
    let set = only(&path, inputs, settings);
    assert_eq!((numbers(&set, "sr"), tensor(&set, "sr").rank()), (vec![16000.0], 0));
    assert_eq!((tensor(&set, "state").shape(), numbers(&set, "state")[23]), (&[2, 3, 4][..], 0.5));
    assert_eq!((numbers(&set, "scales"), numbers(&set, "flag")), (vec![0.0, 1.0, 0.5], vec![1.0]));
    assert_eq!((numbers(&set, "open"), tensor(&set, "open").shape()), (vec![7.0, 7.0], &[1, 2][..]));
}

#[test]
fn constants_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    npz(&path, &[("x", npy("(3, 2)", 6))]);
    let with = |input: &str, constant: &str| {
        failure(&path, &format!("float[b,2] x, {input} c"), &format!("[constants]\nc = {constant}"))
    };
    for (input, constant, words) in [
        ("int64", "0.5", "the number 0.5 for an input of int64"),
        ("uint8", "256", "the number 256"),
        ("int64", "9007199254740993", "too large"),
        ("float[3]", "[1, 2]", "the shape [2] for an input of float[3]"),
        ("float[3]", "{ value = 0, shape = [4] }", "the shape [4]"),
        ("float[q]", "{ value = 0, shape = [99999999, 99999999] }", "more than 16777216 elements"),
        ("float[q]", "{ value = [1, 2], shape = [3] }", "needs 12 bytes"),
    ] {
        let error = with(input, constant);
        assert!(error.message().contains(words), "{words}: {error:?}");
        assert_eq!((error.node(), error.file()), (Some("c"), Some(path.as_path())));
    }
    says(&with("float[q]", "0"), "the size of an input of float[q] is open");
    let unknown = open(&path, "float[b,2] x", "constants = { y = 1 }").err().unwrap();
    says(&unknown, "the model has no input 'y'");
    assert!(unknown.message().contains("constants"), "{unknown}");
}
