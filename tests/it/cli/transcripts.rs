//! What a user types and reads: `tests/cli/*.trycmd`.

#[test]
fn transcripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
    let count = std::fs::read_dir(folder).unwrap().count();
    assert!(count > 3, "the transcripts are gone");
    trycmd::TestCases::new()
        .register_bin("onnxpress", trycmd::schema::Bin::Path(env!("CARGO_BIN_EXE_onnxpress").into()))
        .env("COLUMNS", "100")
        .case(format!("{folder}/*.trycmd"));
}
