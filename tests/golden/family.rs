//! All cases of one kind, each on both lowerings and in both precisions.

use super::reference::{Comparison, Golden, cases};
use dfdx::tensor::Cpu;
use formwork::cpu::Static;
use formwork::engine::{Backend, Engine};
use formwork::portable::Portable;
use formwork::{Error, Float};
use std::collections::BTreeSet;

/// Something that runs on an engine and is to agree with a case.
pub trait Subject {
    /// Computes all results of the case, and compares them.
    fn compare<E: Float, G: Engine<E, Cpu>>(&self, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error>
    where
        Cpu: Backend<E>;
}

/// The cases of one kind, and what was found out about them.
pub struct Family {
    kind: &'static str,
    waiting: BTreeSet<&'static str>,
    faults: Vec<String>,
}

impl Family {
    /// Runs the cases of a kind; panics with everything that is wrong with any of them, or if there is one that did not run.
    pub fn test(kind: &'static str, run: fn(&mut Family)) {
        let waiting = cases().iter().filter(|case| case.kind == kind).map(|case| case.name.as_str()).collect();
        let mut family = Family { kind, waiting, faults: Vec::new() };
        run(&mut family);
        let forgotten = family.waiting.iter().map(|name| format!("{name}: did not run"));
        let faults: Vec<String> = family.faults.into_iter().chain(forgotten).collect();
        assert!(faults.is_empty(), "{kind} does not agree with PyTorch:\n{}", faults.join("\n"));
    }

    /// Runs one case on every engine.
    pub fn check(&mut self, name: &str, subject: &impl Subject) {
        let golden = self.open(name);
        self.run_on::<f64, Portable<f64, Cpu>>(&golden, "portable, f64", subject);
        self.run_on::<f32, Portable<f32, Cpu>>(&golden, "portable, f32", subject);
        self.run_on::<f64, Static<f64>>(&golden, "static, f64", subject);
        self.run_on::<f32, Static<f32>>(&golden, "static, f32", subject);
    }

    fn run_on<E: Float, G: Engine<E, Cpu>>(&mut self, golden: &Golden, by: &str, subject: &impl Subject)
    where
        Cpu: Backend<E>,
    {
        let mut comparison = golden.compare(by);
        let outcome = subject.compare::<E, G>(golden, &mut comparison);
        self.record(comparison, outcome);
    }

    /// Keeps what a comparison found.
    pub fn record(&mut self, comparison: Comparison<'_>, outcome: Result<(), Error>) {
        self.faults.extend(outcome.err().map(|error| format!("{error}")));
        self.faults.extend(comparison.faults());
    }

    /// A case of this kind, which from now on has run.
    pub fn open(&mut self, name: &str) -> Golden {
        let golden = Golden::open(name);
        assert_eq!(golden.kind(), self.kind, "{name}");
        self.waiting.remove(name);
        golden
    }

    /// The cases that have not run yet.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.waiting.iter().copied().collect()
    }
}
