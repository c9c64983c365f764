//! Ten thousand post-mortems on a real disk: how long it takes to search them is printed, and nothing is left out.

#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

use tests::bench::find;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_post_mortems_are_searched() {
    let scratch = tempfile::tempdir().expect("there is room");
    let figures = find::run(scratch.path(), 1).await.expect("all of it is answered");
    for figure in &figures {
        println!("{}: {}", figure.what, figure.measured);
    }
    assert_eq!(figures.len(), 5);
}
