//! Classical machine learning, `ai.onnx.ml`.

use super::{Rule, dims, same};
use crate::analysis::site::Site;
use crate::ir::{Attr, Dim, Shape, Type};
use crate::tensor::DType;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("ai.onnx.ml", "Binarizer", same::same),
    ("ai.onnx.ml", "CastMap", cast_map),
    ("ai.onnx.ml", "CategoryMapper", category),
    ("ai.onnx.ml", "DictVectorizer", dict_vectorizer),
    ("ai.onnx.ml", "FeatureVectorizer", feature_vectorizer),
    ("ai.onnx.ml", "Imputer", same::same),
    ("ai.onnx.ml", "LabelEncoder", label),
    ("ai.onnx.ml", "LinearRegressor", |site| rows_by(site, "targets")),
    ("ai.onnx.ml", "LinearClassifier", classifier),
    ("ai.onnx.ml", "Normalizer", same::same),
    ("ai.onnx.ml", "OneHotEncoder", one_hot),
    ("ai.onnx.ml", "SVMClassifier", classifier),
    ("ai.onnx.ml", "SVMRegressor", single_column),
    ("ai.onnx.ml", "Scaler", same::same),
    ("ai.onnx.ml", "TreeEnsemble", |site| rows_by(site, "n_targets")),
    ("ai.onnx.ml", "TreeEnsembleClassifier", classifier),
    ("ai.onnx.ml", "TreeEnsembleRegressor", |site| rows_by(site, "n_targets")),
    ("ai.onnx.ml", "ZipMap", zip_map),
];

/// A vector is one row.
fn rows(site: &mut Site<'_>, output: usize) -> Dim {
    let rows = match site.shape(0) {
        Some([_]) => Some(Dim::Fixed(1)),
        Some([rows, ..]) => Some(rows.clone()),
        _ => None,
    };
    site.dim_or_fresh(rows, output, 0)
}

fn rows_by(site: &mut Site<'_>, attr: &str) -> Option<()> {
    let columns = dims::size(site.int_or(attr, 1)?)?;
    let rows = rows(site, 0);
    site.set_shape(0, [rows, columns]);
    Some(())
}

/// One row of the map's values.
fn cast_map(site: &mut Site<'_>) -> Option<()> {
    site.set_dtype(
        0,
        match site.string_or("cast_to", "TO_FLOAT")? {
            "TO_STRING" => DType::String,
            "TO_INT64" => DType::I64,
            _ => DType::F32,
        },
    );
    let columns = site.fresh(0, 1);
    site.set_shape(0, [Dim::Fixed(1), columns]);
    Some(())
}

/// One row, a column for each word.
fn dict_vectorizer(site: &mut Site<'_>) -> Option<()> {
    if let Some(Type::Map(_, value)) = site.ty(0)
        && let Some(value) = value.as_tensor()
    {
        site.set_dtype(0, value.dtype);
    }
    let words =
        strings(site, "string_vocabulary").or_else(|| site.node().ints("int64_vocabulary").map(<[i64]>::len));
    let words = site.dim_or_fresh(words.map(|n| Dim::Fixed(n as u64)), 0, 1);
    site.set_shape(0, [Dim::Fixed(1), words]);
    Some(())
}

/// The columns of all operands, as many of each as is stated.
fn feature_vectorizer(site: &mut Site<'_>) -> Option<()> {
    let columns = site.node().ints("inputdimensions")?;
    let columns = columns.iter().try_fold(0i64, |sum, n| sum.checked_add(*n)).and_then(dims::size);
    let (rows, columns) = (rows(site, 0), site.dim_or_fresh(columns, 0, 1));
    site.set_shape(0, [rows, columns]);
    Some(())
}

fn single_column(site: &mut Site<'_>) -> Option<()> {
    let rows = rows(site, 0);
    site.set_shape(0, [rows, Dim::Fixed(1)]);
    Some(())
}

fn strings(site: &Site<'_>, name: &str) -> Option<usize> {
    match site.node().attr(name) {
        Some(Attr::Strings(list)) if !list.is_empty() => Some(list.len()),
        _ => None,
    }
}

/// One label a row. How many scores a binary classifier gives depends on the runtime.
fn classifier(site: &mut Site<'_>) -> Option<()> {
    let names = strings(site, "classlabels_strings");
    site.set_dtype(0, if names.is_some() { DType::String } else { DType::I64 });
    let labels = rows(site, 0);
    site.set_shape(0, [labels.clone()]);
    let ints = ["classlabels_int64s", "classlabels_ints"].iter().find_map(|name| site.node().ints(name));
    let classes = names.or(ints.map(<[i64]>::len)).filter(|&n| n > 2);
    let classes = site.dim_or_fresh(classes.map(|n| Dim::Fixed(n as u64)), 1, 1);
    site.set_shape(1, [labels, classes]);
    Some(())
}

fn category(site: &mut Site<'_>) -> Option<()> {
    match site.dtype(0)? {
        DType::String => site.set_dtype(0, DType::I64),
        _ => site.set_dtype(0, DType::String),
    }
    site.like(0, 0)
}

fn label(site: &mut Site<'_>) -> Option<()> {
    let values =
        [("values_strings", DType::String), ("values_int64s", DType::I64), ("values_floats", DType::F32)];
    let given = values.iter().find(|(name, _)| site.node().attr(name).is_some());
    if let Some((_, dtype)) = given {
        site.set_dtype(0, *dtype);
    } else if let Some(Attr::Tensor(values)) = site.node().attr("values_tensor") {
        site.set_dtype(0, values.dtype());
    } else if let (1, Some(dtype)) = (site.schema?.since, site.dtype(0)) {
        site.set_dtype(0, if dtype == DType::String { DType::I64 } else { DType::String });
    }
    site.like(0, 0)
}

fn one_hot(site: &mut Site<'_>) -> Option<()> {
    let categories =
        strings(site, "cats_strings").or_else(|| site.node().ints("cats_int64s").map(<[i64]>::len))?;
    let mut shape: Shape = site.shape(0)?.to_vec();
    shape.push(Dim::Fixed(categories as u64));
    site.set_shape(0, shape);
    Some(())
}

fn zip_map(site: &mut Site<'_>) -> Option<()> {
    let key = if strings(site, "classlabels_strings").is_some() { DType::String } else { DType::I64 };
    let map = Type::Map(key, Box::new(Type::unranked(DType::F32)));
    site.set_type(0, Type::Sequence(Box::new(map)));
    Some(())
}
