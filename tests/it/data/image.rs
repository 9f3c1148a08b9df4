//! Images: sizes, numbers, channels and layouts, and files that are damaged or hostile.

use super::{all, failure, names, numbers, only, open, says, tensor};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};

const NCHW: &str = "float[n,3,h,w] x";
const RAW: &str = "[image]\npreset = \"raw\"";

/// A picture whose red is ten times the row, green ten times the column and blue 200.
pub(super) fn picture(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(10 * y) as u8, (10 * x) as u8, 200]))
}

pub(super) fn saved(folder: &tempfile::TempDir, name: &str, image: &RgbImage) -> PathBuf {
    let path = folder.path().join(name);
    image.save(&path).unwrap();
    path
}

fn one(image: &RgbImage, inputs: &str, settings: &str) -> (Vec<usize>, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "a.png", image);
    let set = only(&path, inputs, settings);
    (tensor(&set, "x").shape().to_vec(), numbers(&set, "x"))
}

#[test]
fn layouts_follow_from_the_model_or_are_asked_for() {
    let image = picture(2, 3);
    let (shape, planes) = one(&image, NCHW, RAW);
    assert_eq!(shape, [1, 3, 2, 3]);
    assert_eq!(planes[..6], [0.0, 0.0, 0.0, 10.0, 10.0, 10.0]);
    assert_eq!(planes[6..12], [0.0, 10.0, 20.0, 0.0, 10.0, 20.0]);
    assert_eq!(planes[12..], [200.0; 6]);
    let (shape, pixels) = one(&image, "float[n,h,w,3] x", RAW);
    assert_eq!(shape, [1, 2, 3, 3]);
    assert_eq!(pixels[..9], [0.0, 0.0, 200.0, 0.0, 10.0, 200.0, 0.0, 20.0, 200.0]);
    assert_eq!(one(&image, "float[3,h,w] x", RAW).0, [3, 2, 3]);
    let asked = "[image]\npreset = \"raw\"\nlayout = \"nhwc\"";
    assert_eq!(one(&image, "float[a,b,c,d] x", asked).0, [1, 2, 3, 3]);
}

#[test]
fn channels_change_places_and_means_go_with_them() {
    let image = RgbImage::from_pixel(1, 1, Rgb([10, 20, 40]));
    let settings = "[image]\nscale = 0.5\nmean = [1, 2, 3]\nstd = [1, 2, 4]\nchannels = \"bgr\"";
    assert_eq!(one(&image, NCHW, settings).1, [19.0, 4.0, 0.5]);
    let gray = "[image]\nscale = 1\nchannels = \"gray\"";
    // (19595·10 + 38470·20 + 7471·40 + 32768) / 65536 = 19.79
    assert_eq!(one(&image, "float[n,1,h,w] x", gray), (vec![1, 1, 1, 1], vec![19.0]));
}

#[test]
fn presets_give_their_makers_numbers() {
    let image = RgbImage::from_pixel(4, 4, Rgb([255, 0, 51]));
    let settings = "[image]\npreset = \"imagenet\"\nresize = { exact = [1, 1] }\ncrop = [1, 1]";
    let (_, got) = one(&image, NCHW, settings);
    let want = [(1.0 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225];
    assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {want:?}");
    let tf = "[image]\npreset = \"imagenet-tf\"\nresize = { exact = [1, 1] }";
    let (_, got) = one(&image, NCHW, tf);
    assert!(got.iter().zip([1.0, -1.0, -0.6]).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
    assert_eq!(one(&picture(20, 25), NCHW, "[image]\npreset = \"imagenet\"").0, [1, 3, 224, 224]);
    let (shape, numbers) =
        one(&RgbImage::from_pixel(40, 20, Rgb([0, 0, 0])), NCHW, "[image]\npreset = \"yolo\"");
    assert_eq!(shape, [1, 3, 640, 640]);
    let row = |y: usize| numbers[y * 640];
    assert!((row(159) - 114.0 / 255.0).abs() < 1e-6 && row(160) == 0.0, "{} {}", row(159), row(160));
    assert!(row(479) == 0.0 && (row(480) - 114.0 / 255.0).abs() < 1e-6);
}

#[test]
fn shrinking_by_two_weighs_four_pixels_by_a_triangle() {
    // Weights of a triangle of width 2·2 around the middle of two pixels: 1/8 3/8 3/8 1/8, cut and scaled at the border.
    let image = RgbImage::from_fn(4, 1, |x, _| Rgb([[0, 80, 160, 240][x as usize], 0, 0]));
    let settings = "[image]\npreset = \"raw\"\nresize = { exact = [1, 2] }";
    let (shape, got) = one(&image, NCHW, settings);
    assert_eq!(shape, [1, 3, 1, 2]);
    // (3·0 + 3·80 + 1·160) / 7 = 57.1, and its mirror image
    assert_eq!(got[..2], [57.0, 183.0]);
    let nearest = format!("{settings}\nfilter = \"nearest\"");
    assert_eq!(one(&image, NCHW, &nearest).1[..2], [80.0, 240.0]);
    let linear = format!("{settings}\nfilter = \"linear\"");
    // Half way between two pixels, whatever lies beside them.
    assert_eq!(one(&image, NCHW, &linear).1[..2], [40.0, 200.0]);
}

#[test]
fn a_part_is_cut_out_and_a_square_filled_up_before_resizing() {
    let settings = |more: &str| format!("[image]\npreset = \"raw\"\nfilter = \"nearest\"\n{more}");
    // Rows 1 and 2, columns 3 and 4, of a picture of 4x8: half of the shorter side, from (n - 2 + 1) // 2 on.
    let (shape, got) = one(&picture(4, 8), NCHW, &settings("cut = { square = 0.5 }"));
    assert_eq!(
        (shape.as_slice(), &got[..8]),
        (&[1, 3, 2, 2][..], &[10., 10., 20., 20., 30., 40., 30., 40.][..])
    );
    assert_eq!(one(&picture(4, 8), NCHW, &settings("cut = { share = 0.5 }")).0, [1, 3, 2, 4]);
    let (shape, got) = one(
        &picture(1, 3),
        NCHW,
        &settings("square = { value = 7, image = \"center\" }\nresize = { exact = [6, 6] }"),
    );
    assert_eq!(shape, [1, 3, 6, 6]);
    let rows: Vec<f64> = got[36..].iter().step_by(6).take(6).copied().collect();
    assert_eq!(rows, [7.0, 7.0, 0.0, 0.0, 7.0, 7.0]);
    assert_eq!(one(&picture(1, 3), NCHW, &settings("square = {}")).0, [1, 3, 3, 3]);
}

#[test]
fn presets_of_text_readers_give_the_sizes_that_their_models_take() {
    let of = |preset: &str, height, width| {
        let (shape, numbers) = one(&picture(height, width), NCHW, &format!("[image]\npreset = \"{preset}\""));
        (shape[2..].to_vec(), numbers)
    };
    assert_eq!(of("paddle-ocr-det", 20, 25).0, [32, 32]);
    assert_eq!(of("paddle-ocr-det", 40, 2000).0, [32, 960]);
    assert_eq!(of("paddle-ocr-cls", 5, 200).0, [48, 192]);
    let (shape, numbers) = of("paddle-ocr-cls", 20, 25);
    assert_eq!(shape, [48, 192]);
    // 48 · 25 / 20 = 60 columns, then nothing, which is 0 behind scaling.
    assert!(numbers[59] != 0.0 && numbers[60..192].iter().all(|n| *n == 0.0));
    assert_eq!(of("paddle-ocr-rec", 5, 200).0, [48, 1920]);
    assert_eq!(of("efficientnet-lite", 20, 25).0, [224, 224]);
}

#[test]
fn crops_are_of_the_middle_and_pads_at_the_end() {
    let (shape, got) = one(&picture(5, 6), NCHW, "[image]\npreset = \"raw\"\ncrop = [3, 2]");
    assert_eq!(shape, [1, 3, 3, 2]);
    // Rows 1 to 3, columns 2 and 3.
    assert_eq!(got[..6], [10.0, 10.0, 20.0, 20.0, 30.0, 30.0]);
    assert_eq!(got[6..8], [20.0, 30.0]);
    let pad = "[image]\nscale = 0.1\nmean = [1]\npad = { to = [1, 3], value = 50 }";
    let (shape, got) = one(&RgbImage::from_pixel(1, 2, Rgb([100, 0, 0])), NCHW, pad);
    assert_eq!(shape, [1, 3, 2, 3]);
    assert_eq!(got[..6], [9.0, 4.0, 4.0, 9.0, 4.0, 4.0]);
    let (shape, _) = one(&picture(20, 25), NCHW, "[image]\npreset = \"paddle-ocr-rec\"");
    assert_eq!(shape, [1, 3, 48, 320]);
    let longer = "[image]\npreset = \"raw\"\nresize = { longer = 64 }\nmultiple = 32";
    assert_eq!(one(&picture(20, 25), NCHW, longer).0, [1, 3, 64, 64]);
}

#[test]
fn shapes_differ_from_image_to_image_and_types_follow_the_model() {
    let folder = tempfile::tempdir().unwrap();
    saved(&folder, "a.png", &picture(2, 3));
    saved(&folder, "b.bmp", &picture(4, 1));
    let sets = all(folder.path(), "uint8[n,3,h,w] x", RAW);
    let shapes: Vec<&[usize]> = sets.iter().map(|set| tensor(set, "x").shape()).collect();
    assert_eq!(shapes, [[1, 3, 2, 3], [1, 3, 4, 1]]);
    assert_eq!(numbers(&sets[1], "x")[..4], [0.0, 10.0, 20.0, 30.0]);
    let unit = failure(folder.path(), "uint8[n,3,h,w] x", "[image]\npreset = \"unit\"");
    assert!(unit.message().contains("for an input of uint8"), "{unit}");
    assert_eq!(unit.node(), Some("x"));
}

#[test]
fn every_decoder_is_there_and_the_content_says_which() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "a.jpg", "a.jpeg", "a.bmp", "a.webp", "a.ppm"] {
        let path = saved(&folder, name, &RgbImage::from_pixel(8, 8, Rgb([100, 100, 100])));
        let got = numbers(&only(&path, NCHW, RAW), "x");
        assert!(got.iter().all(|v| (v - 100.0).abs() <= 1.0), "{name}: {got:?}");
    }
    let wrong = folder.path().join("b.jpeg");
    std::fs::copy(folder.path().join("a.png"), &wrong).unwrap();
    assert_eq!(numbers(&only(&wrong, NCHW, RAW), "x")[0], 100.0);
}

#[test]
fn what_is_not_said_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "a.png", &picture(2, 3));
    says(&failure(&path, NCHW, ""), "the data's settings do not say how images become inputs");
    says(&failure(&path, NCHW, "[image]\ncrop = [1, 1]"), "neither a preset nor `scale`");
    says(&failure(&path, "float[a,b,c,d] x", RAW), "where the 3 channels stand cannot be told");
    says(&failure(&path, "float[1,3,h,3] x", RAW), "where the 3 channels stand cannot be told");
    says(&failure(&path, "float[1,1,h,w] x", RAW), "where the 3 channels stand cannot be told");
    says(&failure(&path, "float[n] x", RAW), "which has not 3 or 4 dims");
    says(&failure(&path, "float[n,3,h,w] x, float[n,3,h,w] y", RAW), "a model of 2 inputs: x, y");
    says(&failure(&path, NCHW, "[image]\npreset = \"imagnet\""), "no preset is called 'imagnet'");
    says(&failure(&path, NCHW, "input = \"y\"\n[image]\npreset = \"raw\""), "the model has no input 'y'");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "a.png", &picture(2, 3));
    for (field, words) in [
        ("std = [0]", "`std` of the data's image settings is 0"),
        ("mean = [1, 2]", "has 2 numbers for 3 channels"),
        ("scale = nan", "`scale` of the data's image settings is no number"),
        ("crop = [0, 1]", "`crop` of the data's image settings is 0"),
        ("multiple = 0", "`multiple`"),
        ("cut = { square = 0 }", "`cut` of the data's image settings is 0"),
        ("cut = { share = 1.5 }", "`cut` of the data's image settings is 1.5"),
        ("resize = { line = [48, 0] }", "`resize` of the data's image settings is 0"),
        ("resize = { exact = [99999, 99999] }", "asks for 99999x99999 pixels"),
        ("pad = { to = [99999, 99999] }", "asks for 99999x99999 pixels"),
    ] {
        let error = failure(
            &path,
            NCHW,
            &format!("[image]\npreset = \"raw\"\n{field}").replace("preset = \"raw\"\nscale", "scale"),
        );
        assert!(error.message().contains(words), "{words}: {error}");
    }
    says(
        &failure(&path, NCHW, "[image]\npreset = \"raw\"\ncrop = [3, 3]"),
        "2x3 is smaller than the crop of 3x3",
    );
    let line = saved(&folder, "line.png", &RgbImage::new(30_000, 1));
    let error = failure(&line, NCHW, "[image]\npreset = \"imagenet\"");
    assert!(error.message().contains("would be resized to 256x7680000"), "{error}");
    names(&error, &line);
    let square = "[image]\npreset = \"raw\"\nsquare = {}\nresize = { exact = [8, 8] }";
    let error = failure(&line, NCHW, square);
    assert!(error.message().contains("would be filled up to 30000x30000"), "{error}");
    names(&error, &line);
}

#[test]
fn a_line_of_a_hundred_million_pixels_is_refused_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    // A small file that is a line of 2²⁷ - 1 black and white pixels.
    let path = folder.path().join("line.pbm");
    let side = (1u32 << 27) - 1;
    let mut bytes = format!("P4\n{side} 1\n").into_bytes();
    bytes.resize(bytes.len() + (side as usize).div_ceil(8), 0x55);
    std::fs::write(&path, bytes).unwrap();
    let error = failure(&path, NCHW, "[image]\npreset = \"raw\"\nresize = { exact = [224, 224] }");
    says(&error, "an image of 1x134217727 is resized, which takes sides of at most 1048576 pixels");
    assert!(error.help().unwrap().contains("cut it into pieces"));
    names(&error, &path);
}

#[test]
fn an_image_of_another_size_than_the_model_names_file_and_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, "a.png", &picture(2, 3));
    let error = failure(&path, "float[1,3,8,8] x", RAW);
    says(&error, "float[1, 3, 2, 3] for an input of float[1,3,8,8]");
    assert!(error.help().unwrap().contains("`resize`"));
    names(&error, &path);
    assert_eq!(error.node(), Some("x"));
    let path = saved(&folder, "b.png", &picture(2, 4));
    let batch = failure(&path, "float[8,3,2,4] x", RAW);
    assert!(batch.help().unwrap().contains("8 samples at once"), "{batch:?}");
}

#[test]
fn damaged_images_name_themselves_and_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    saved(&folder, "a.png", &picture(8, 8));
    let bad = folder.path().join("b.png");
    let whole = std::fs::read(folder.path().join("a.png")).unwrap();
    std::fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    let source = open(folder.path(), NCHW, RAW).unwrap();
    let (good, wrong): (Vec<_>, Vec<_>) = source.samples().partition(Result::is_ok);
    assert_eq!((good.len(), wrong.len()), (1, 1));
    let error = wrong.into_iter().next().unwrap().unwrap_err();
    says(&error, "not an image that can be read");
    names(&error, &bad);
}

/// A PNG header that asks for this many pixels.
fn bomb(path: &Path, width: u32, height: u32) {
    let mut out = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    out.extend(width.to_be_bytes());
    out.extend(height.to_be_bytes());
    out.extend([8, 2, 0, 0, 0]);
    let mut crc = crc32(&out[12..]);
    out.extend(crc.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(b"IDAT");
    crc = crc32(b"IDAT");
    out.extend(crc.to_be_bytes());
    std::fs::write(path, out).unwrap();
}

/// CRC-32 as PNG has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

#[test]
fn image_bombs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, width, height) in [("a.png", 60_000, 60_000), ("b.png", u32::MAX >> 1, u32::MAX >> 1)] {
        let path = folder.path().join(name);
        bomb(&path, width, height);
        let error = failure(&path, NCHW, RAW);
        says(&error, "not an image that can be read");
        names(&error, &path);
    }
    let path = folder.path().join("c.ppm");
    std::fs::write(&path, "P6\n4000000000 4000000000\n255\n").unwrap();
    names(&failure(&path, NCHW, RAW), &path);
    let path = folder.path().join("d.bmp");
    let mut bmp = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend([0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f, 1, 0, 24, 0]);
    bmp.resize(54, 0);
    std::fs::write(&path, bmp).unwrap();
    names(&failure(&path, NCHW, RAW), &path);
}

#[test]
fn no_damage_panics() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.png", "a.jpg", "a.bmp", "a.webp", "a.ppm"] {
        let path = saved(&folder, name, &picture(5, 6));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len().min(80) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                std::fs::write(&path, bytes).unwrap();
                let _ = open(&path, NCHW, RAW).unwrap().sample(0);
            }
        }
    }
}
