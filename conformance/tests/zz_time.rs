//! x
#![allow(dead_code, missing_docs)]
mod endpoint;
use sockless_conformance::*;
use std::time::Instant;
#[test]
fn t() {
    let t=Instant::now(); let n=sessions(Role::Server).len(); println!("{n} sessions {:?}", t.elapsed());
    let mut by: std::collections::BTreeMap<Case,(usize,usize)> = Default::default();
    for s in sessions(Role::Server) { let e=by.entry(s.case).or_default(); e.0+=1; e.1+=s.bytes.len(); }
    println!("{by:?}");
    Checker::new().progress(|p| { use std::sync::Mutex; static T: Mutex<Option<Instant>> = Mutex::new(None); let mut t=T.lock().unwrap(); println!("{:?} {} runs {:?}", p.finding.case, p.finding.runs, t.map(|t| t.elapsed())); *t=Some(Instant::now()); }).check("x", Role::Server, &mut |w: &mut Wire| endpoint::run(endpoint::Defect::Nothing, w));
}
