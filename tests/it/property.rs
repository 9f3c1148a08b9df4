//! Random graphs through the whole pipeline: same outputs, same signature, valid after every pass, the same bytes each
//! time, and nothing left for a second run, whichever passes are switched off.
//!
//! `ONNXPRESS_SEEDS=A..B` runs other seeds than the usual few: `./test` 20,000, a long night `0..1000000`.

mod generate;
mod inside;
mod judge;
mod noise;
mod sketch;
mod special;

use generate::Generator;
use judge::{Failure, check};
use onnxpress::pipeline::registry;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds where none are named.
const SEEDS: std::ops::Range<u64> = 0..1200;

/// Changes no node, and reads operators that no CPU has a kernel of.
const UNSEEN: [&str; 2] = ["infer-shapes", "unfold-group-norm"];

/// Failures after which a run stops, and failures that are shown.
const ENOUGH: usize = 20;

/// What a run came to.
#[derive(Default)]
struct Tally {
    passed: u64,
    /// Runs with special numbers among the inputs.
    special: usize,
    /// Runs that differ, as operators leave it open.
    excused: usize,
    /// The original itself does not run, by reason.
    unfit: BTreeMap<String, u64>,
    fired: BTreeMap<&'static str, u64>,
    failures: Vec<(u64, String)>,
}

#[test]
fn random_graphs_stay_what_they_are() {
    let (tally, next) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = seeds.clone().nth(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let result = check(seed, &Generator::model(seed));
                    let mut tally = tally.lock().unwrap();
                    match result {
                        Ok(graph) => {
                            tally.passed += 1;
                            tally.special += graph.special;
                            tally.excused += graph.excused;
                            graph.fired.into_iter().for_each(|id| *tally.fired.entry(id).or_default() += 1);
                        }
                        Err(Failure::Unfit(why)) => *tally.unfit.entry(why).or_default() += 1,
                        Err(Failure::Real(why)) => tally.failures.push((seed, why)),
                    }
                    if tally.failures.len() >= ENOUGH {
                        break;
                    }
                }
            });
        }
    });
    report(tally.into_inner().unwrap(), count);
}

fn report(tally: Tally, count: u64) {
    let Tally { passed, special, excused, unfit, fired, mut failures } = tally;
    let refused: u64 = unfit.values().sum();
    println!(
        "random graphs: {passed} passed, {} failed, {refused} that ONNX Runtime does not run; {special} runs on \
         special numbers, {excused} that differ where operators leave it open",
        failures.len()
    );
    println!("passes that fired: {fired:?}");
    unfit.iter().take(ENOUGH).for_each(|(why, n)| println!("{n} times: {why}"));
    failures.sort();
    let shown: Vec<String> = failures.iter().map(|(seed, why)| shrunk(*seed, why)).collect();
    assert!(failures.is_empty(), "{}", shown.join("\n"));
    assert!(passed > 0 && refused * 50 < count, "{passed} of {count} were judged");
    assert!(excused as u64 * 50 < count + 50, "{excused} runs were excused");
    assert!(count < SEEDS.end || special as u64 * 2 > count, "{special} runs on special numbers");
    for entry in registry().iter().filter(|e| count >= SEEDS.end && !UNSEEN.contains(&e.id())) {
        assert!(fired.contains_key(entry.id()), "no graph has made {} fire", entry.id());
    }
}

/// A failure, and the smallest graph that fails too, with the same options.
fn shrunk(seed: u64, why: &str) -> String {
    let whole = Generator::model(seed);
    let small = whole.shrunk(&|s| matches!(check(seed, s), Err(Failure::Real(_))));
    match check(seed, &small) {
        Err(Failure::Real(now)) => format!("seed {seed}: {why}\nat its smallest: {now}\n{}", small.text()),
        _ => format!("seed {seed}: {why}\n{}", whole.text()),
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("ONNXPRESS_SEEDS") else { return SEEDS };
    let (from, to) = asked.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}
