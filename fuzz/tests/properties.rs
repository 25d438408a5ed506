//! What is fuzzed, as plain tests: on the committed seeds and on random bytes.
//!
//! The bytes come from a fixed seed, so a run can be repeated; a failure prints the smallest bytes it found.
//! `PROPTEST_CASES=100000 cargo test -p supervisor-fuzz` goes further along the same way.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_frame_is_refused_on_one_line_or_reads_back(bytes in vec(any::<u8>(), 0..200)) {
        supervisor_fuzz::frame(&bytes);
    }

    #[test]
    fn any_session_has_its_answers_and_the_tree_goes_on(bytes in vec(any::<u8>(), 0..300)) {
        supervisor_fuzz::session(&bytes);
    }

    #[test]
    fn the_machine_keeps_its_invariants_under_any_operations(bytes in vec(any::<u8>(), 0..600)) {
        supervisor_fuzz::machine(&bytes);
    }

    #[test]
    fn any_manifest_is_refused_with_its_place_or_reads_back(bytes in vec(any::<u8>(), 0..200)) {
        supervisor_fuzz::manifest(&bytes);
    }

    #[test]
    fn ids_and_paths_follow_their_grammar(bytes in vec(any::<u8>(), 0..100)) {
        supervisor_fuzz::paths(&bytes);
    }
}

/// Runs `target` on every committed seed, and says how many there are.
fn replay(name: &str, target: fn(&[u8])) -> std::io::Result<usize> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name))?;
    files
        .map(|file| std::fs::read(file?.path()).map(|bytes| target(&bytes)))
        .try_fold(0, |n, done| done.map(|()| n + 1))
}

#[test]
fn the_seeds_pass() -> std::io::Result<()> {
    assert!(replay("frame", supervisor_fuzz::frame)? > 0);
    assert!(replay("session", supervisor_fuzz::session)? > 0);
    assert!(replay("machine", supervisor_fuzz::machine)? > 0);
    assert!(replay("manifest", supervisor_fuzz::manifest)? > 0);
    assert!(replay("paths", supervisor_fuzz::paths)? > 0);
    Ok(())
}
