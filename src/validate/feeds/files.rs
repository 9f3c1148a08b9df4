//! `--inputs DATA`: feed sets from files.
//!
//! | DATA | sets |
//! |---|---|
//! | `x.npz` | one; arrays by input name |
//! | `x.npy` | one, of a model with one input |
//! | folder with `input_0.pb`, … | one; an ONNX test data set |
//! | folder with `test_data_set_0`, … | one a folder |
//! | folder with `.npz` files | one a file |
//! | folder with `.npy` files | one; arrays by file name |
//!
//! In a file name, every character of an input's name other than letters, digits, `.`, `-` and `_` may be written `_`.

use super::{FeedSet, npy, protos, required_inputs};
use crate::error::{Error, Result};
use crate::ir::{Dim, Model, TensorType, Type, ValueId};
use crate::runtime::RunValue;
use crate::tensor::{DType, Tensor};
use std::path::{Path, PathBuf};

/// Reads the feed sets that a file or folder holds, each checked against the model's inputs.
///
/// # Errors
/// Nothing is there, a file is damaged, an input has no array or an array no input, or type or shape are others:
/// the error names file and input.
pub fn load(data: &Path, model: &Model) -> Result<Vec<FeedSet>> {
    let sets = if data.is_dir() { load_folder(data, model)? } else { vec![load_file(data, model)?] };
    if sets.is_empty() {
        return Err(Error::new("no .npz, .npy or input_*.pb file is in this folder")
            .in_file(data)
            .with_help("give an .npz file with one array per input, or a folder of test_data_set_*"));
    }
    Ok(sets)
}

fn load_file(path: &Path, model: &Model) -> Result<FeedSet> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("npz") => {
            let arrays = npy::read_zip(path, |name| declared_dtype(model, name))?;
            by_name(path, arrays, model)
        }
        Some("npy") => match required_inputs(model).as_slice() {
            [only] => {
                let name = model.graph.value(*only).name().to_string();
                let tensor = npy::read_file(path, declared_dtype(model, &name))?;
                by_name(path, vec![(name, tensor)], model)
            }
            several => Err(Error::new(format!("one array for a model of {} inputs", several.len()))
                .in_file(path)
                .with_help("save all inputs by name with numpy.savez")),
        },
        _ if path.exists() => Err(Error::new("not an .npz or .npy file, nor a folder").in_file(path)),
        _ => Err(Error::new("no such file or folder").in_file(path)),
    }
}

fn load_folder(folder: &Path, model: &Model) -> Result<Vec<FeedSet>> {
    let entries = sorted_entries(folder)?;
    if let Some(set) = load_data_set(folder, &entries, model)? {
        return Ok(vec![set]);
    }
    let sets: Vec<&PathBuf> =
        entries.iter().filter(|p| p.is_dir() && file_name(p).starts_with("test_data_set_")).collect();
    if !sets.is_empty() {
        return sets
            .into_iter()
            .map(|set| {
                load_data_set(set, &sorted_entries(set)?, model)?
                    .ok_or_else(|| Error::new("a test data set without input_0.pb").in_file(set))
            })
            .collect();
    }
    let archives: Vec<&PathBuf> = with_extension(&entries, "npz").collect();
    if !archives.is_empty() {
        return archives.into_iter().map(|p| load_file(p, model)).collect();
    }
    let mut arrays = Vec::new();
    for path in with_extension(&entries, "npy") {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        arrays.push((stem.clone(), npy::read_file(path, declared_dtype(model, &stem))?));
    }
    if arrays.is_empty() { Ok(Vec::new()) } else { Ok(vec![by_name(folder, arrays, model)?]) }
}

/// `input_0.pb`, … are the model's inputs in order; `None` where there is no such file and the model has inputs.
fn load_data_set(folder: &Path, entries: &[PathBuf], model: &Model) -> Result<Option<FeedSet>> {
    let index = |p: &PathBuf| -> Option<usize> {
        file_name(p).strip_prefix("input_")?.strip_suffix(".pb")?.parse().ok()
    };
    let mut files: Vec<(usize, &PathBuf)> = entries.iter().filter_map(|p| Some((index(p)?, p))).collect();
    files.sort_unstable();
    let has_outputs = entries.iter().any(|p| file_name(p) == "output_0.pb");
    if files.is_empty() && !(has_outputs && required_inputs(model).is_empty()) {
        return Ok(None);
    }
    let inputs = model.graph.root().inputs();
    let mut values = Vec::new();
    for (index, path) in files {
        let Some(&input) = inputs.get(index) else {
            return Err(Error::new(format!("the model has {} inputs only", inputs.len())).in_file(path));
        };
        let value = model.graph.value(input);
        let read = protos::read_file(path, value.declared().or(value.ty()))?;
        check(model, input, &read).map_err(|e| e.in_file(path))?;
        values.push((value.name().to_string(), read));
    }
    complete(folder, values, model).map(Some)
}

fn by_name(path: &Path, arrays: Vec<(String, Tensor)>, model: &Model) -> Result<FeedSet> {
    let mut values = Vec::new();
    for (name, tensor) in arrays {
        let Some(input) = input_named(model, &name) else {
            let known: Vec<String> = input_names(model);
            return Err(Error::new(format!("the model has no input '{name}'"))
                .in_file(path)
                .with_help(format!("its inputs are {}", known.join(", "))));
        };
        let value = RunValue::Tensor(tensor);
        check(model, input, &value).map_err(|e| e.in_file(path))?;
        values.push((model.graph.value(input).name().to_string(), value));
    }
    complete(path, values, model)
}

fn complete(path: &Path, values: Vec<(String, RunValue)>, model: &Model) -> Result<FeedSet> {
    for (at, (name, _)) in values.iter().enumerate() {
        if values[..at].iter().any(|(before, _)| before == name) {
            return Err(Error::new(format!("two values for the model's input '{name}'")).in_file(path));
        }
    }
    for input in required_inputs(model) {
        let name = model.graph.value(input).name();
        if !values.iter().any(|(n, _)| **n == **name) {
            return Err(Error::new(format!("nothing for the model's input '{name}'")).in_file(path));
        }
    }
    Ok(FeedSet { label: file_name(path), values })
}

fn check(model: &Model, input: ValueId, value: &RunValue) -> Result<()> {
    let ty = model.graph.value(input).declared().or(model.graph.value(input).ty());
    let name = model.graph.value(input).name();
    match (ty, value) {
        (None, _) => Ok(()),
        (Some(Type::Tensor(ty)), RunValue::Tensor(tensor)) => {
            if fits(ty, tensor) {
                return Ok(());
            }
            Err(Error::new(format!("{}{:?} for an input of {ty}", tensor.dtype(), tensor.shape()))
                .at(&**name))
        }
        (Some(Type::Sequence(_)), RunValue::Sequence(_)) | (Some(Type::Optional(_)), _) => Ok(()),
        (Some(Type::Map(..)), RunValue::Map(..)) => Ok(()),
        (Some(ty), _) => Err(Error::new(format!("a value of another kind for an input of {ty}")).at(&**name)),
    }
}

fn fits(ty: &TensorType, tensor: &Tensor) -> bool {
    let dims_fit = |dims: &[Dim]| {
        dims.len() == tensor.rank()
            && dims.iter().zip(tensor.shape()).all(|(d, &n)| d.as_fixed().is_none_or(|d| d == n as u64))
    };
    ty.dtype == tensor.dtype() && ty.shape.as_deref().is_none_or(dims_fit)
}

fn input_names(model: &Model) -> Vec<String> {
    model.graph.root().inputs().iter().map(|&v| model.graph.value(v).name().to_string()).collect()
}

fn input_named(model: &Model, name: &str) -> Option<ValueId> {
    let inputs = model.graph.root().inputs();
    let find =
        |test: &dyn Fn(&str) -> bool| inputs.iter().copied().find(|&v| test(model.graph.value(v).name()));
    find(&|n| n == name).or_else(|| find(&|n| as_file_name(n) == name))
}

fn as_file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect()
}

fn declared_dtype(model: &Model, name: &str) -> Option<DType> {
    let value = model.graph.value(input_named(model, name)?);
    Some(value.declared().or(value.ty())?.as_tensor()?.dtype)
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::from(e).in_file(folder))?;
    let mut paths = Vec::new();
    for entry in list {
        paths.push(entry.map_err(|e| Error::from(e).in_file(folder))?.path());
    }
    // `test_data_set_10` comes behind `test_data_set_9`.
    paths.sort_by_key(|p| (file_name(p).len(), file_name(p)));
    Ok(paths)
}

fn with_extension<'a>(paths: &'a [PathBuf], extension: &'a str) -> impl Iterator<Item = &'a PathBuf> {
    paths.iter().filter(move |p| p.is_file() && p.extension().is_some_and(|e| e == extension))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ir::RegionId;
    use std::io::Write;

    fn model() -> Model {
        let mut model = Model::new(17);
        let dims = [Dim::symbol("n"), Dim::Fixed(2)];
        model.graph.add_input(RegionId::ROOT, "a:0", Some(Type::tensor(DType::F32, dims)));
        model
    }

    fn npy(shape: &str, len: usize) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.bytes());
        out.resize(out.len() + 4 * len, 0);
        out
    }

    fn npz(path: &Path, name: &str, array: &[u8]) {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(array).unwrap();
        zip.finish().unwrap();
    }

    #[test]
    fn arrays_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        npz(&path, "a:0", &npy("(3, 2)", 6));
        let sets = load(&path, &model()).unwrap();
        assert_eq!((sets.len(), sets[0].label.as_str(), sets[0].values[0].0.as_str()), (1, "x.npz", "a:0"));
        npz(&folder.path().join("y.npz"), "a_0", &npy("(1, 2)", 2));
        assert_eq!(load(folder.path(), &model()).unwrap().len(), 2);
    }

    #[test]
    fn an_input_has_one_array() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a_0.npy", "a:0.npy"] {
            std::fs::write(folder.path().join(name), npy("(1, 2)", 2)).unwrap();
        }
        assert!(load(folder.path(), &model()).unwrap_err().message().contains("two values"));
    }

    #[test]
    fn loose_arrays_go_by_file_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path(), &model()).unwrap_err().help().is_some());
        std::fs::write(folder.path().join("a_0.npy"), npy("(1, 2)", 2)).unwrap();
        assert_eq!(load(folder.path(), &model()).unwrap()[0].values.len(), 1);
        assert_eq!(load(&folder.path().join("a_0.npy"), &model()).unwrap().len(), 1);
    }

    #[test]
    fn misfits_name_file_and_input() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        npz(&path, "a:0", &npy("(3, 3)", 9));
        let error = load(&path, &model()).unwrap_err();
        assert_eq!((error.file(), error.node()), (Some(path.as_path()), Some("a:0")));
        npz(&path, "b", &npy("(3, 2)", 6));
        let error = load(&path, &model()).unwrap_err();
        assert!(error.message().contains("'b'") && error.help().unwrap().contains("a:0"));
        assert!(load(&folder.path().join("none.npz"), &model()).is_err());
    }
}
