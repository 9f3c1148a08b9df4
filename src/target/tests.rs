//! The tables can be read, and say what they are to say.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn every_table_reads_and_is_found_by_its_id() {
    let all = Target::all();
    let ids: Vec<&str> = all.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["onnx", "ort-cpu", "ort-cuda", "tensorrt", "tensorrt-rtx"]);
    for target in &all {
        assert_eq!(Target::named(&target.id).unwrap().name(), target.name());
        for release in &target.releases {
            let at = Target::named(&format!("{}@{release}", target.id)).unwrap();
            assert!(at.opset.min <= at.opset.max && at.ir.min <= at.ir.max, "{}", at.name());
        }
        assert!(target.releases.is_sorted());
        for (op, newest) in &target.newest_opset {
            assert!((target.opset.min..target.opset.max).contains(newest), "{op}");
        }
    }
}

#[test]
fn a_wrong_name_or_version_lists_those_that_are() {
    assert!(Target::named("onnx2").unwrap_err().help().unwrap().contains("ort-cuda"));
    let error = Target::named("ort-cpu@1.3").unwrap_err();
    assert_eq!(error.message(), "there is no version '1.3' of the target ort-cpu");
    assert!(error.help().unwrap().contains("1.17, 1.18"));
    assert!(Target::named("onnx@1").unwrap_err().help().unwrap().contains("leave @1 out"));
    assert!(Target::named("tensorrt@").is_err());
}

#[test]
fn a_version_has_its_opsets_and_its_rows() {
    let old = Target::named("ort-cpu@1.17.3").unwrap();
    assert_eq!((old.name().as_str(), old.opset.max, old.ir.max), ("ort-cpu@1.17", 20, 9));
    assert!(
        !old.has_version("", "Acos", 22) && Target::named("ort-cpu").unwrap().has_version("", "Acos", 22)
    );
}

#[test]
fn contrib_ops_are_added_where_they_are_known() {
    let may = |target: &str, op| Target::named(target).unwrap().may_add(op);
    let (gelu, contrib) = (OpId::onnx("Gelu"), OpId::microsoft("FastGelu"));
    assert!(may("onnx", gelu) && !may("onnx", contrib) && may("ort-cpu", contrib));
    assert!(may("tensorrt", gelu) && !may("tensorrt", contrib));
    assert!(!may("tensorrt-rtx", OpId::onnx("NonZero")) && !may("ort-cpu", OpId::microsoft("GroupNorm")));
}

/// The judge of standard ONNX is ONNX Runtime on the CPU.
#[test]
fn the_newest_opsets_of_standard_onnx_are_those_of_its_judge() {
    let (onnx, judge) = (Target::named("onnx").unwrap(), Target::named("ort-cpu").unwrap());
    for (op, newest) in &onnx.newest_opset {
        assert_eq!(judge.newest_opset.get(op), Some(newest), "{op}");
    }
}

#[test]
fn every_op_of_a_table_is_one_that_onnx_or_a_domain_knows() {
    for target in Target::all() {
        for limit in &target.limits {
            let (domain, ops) = limit.ops();
            ops.for_each(|op| assert!(!schema::versions(domain, op).is_empty(), "{} {op}", target.id));
        }
    }
}
