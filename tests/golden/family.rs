//! All cases of one kind, each on both lowerings and in both precisions, and with the feature `cuda` on a GPU too.

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
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error>;
}

/// The cases of one kind, and what was found out about them.
pub struct Family {
    kind: &'static str,
    waiting: BTreeSet<&'static str>,
    faults: Vec<String>,
    /// Opened for the first case; `None` where there is none.
    #[cfg(feature = "cuda")]
    gpu: std::cell::OnceCell<Option<dfdx::tensor::Cuda>>,
}

impl Family {
    /// Runs the cases of a kind; panics with everything that is wrong with any of them, or if there is one that did not run.
    pub fn test(kind: &'static str, run: fn(&mut Family)) {
        let waiting = cases().iter().filter(|case| case.kind == kind).map(|case| case.name.as_str()).collect();
        let mut family = Family {
            kind,
            waiting,
            faults: Vec::new(),
            #[cfg(feature = "cuda")]
            gpu: Default::default(),
        };
        run(&mut family);
        let forgotten = family.waiting.iter().map(|name| format!("{name}: did not run"));
        let faults: Vec<String> = family.faults.into_iter().chain(forgotten).collect();
        assert!(faults.is_empty(), "{kind} does not agree with PyTorch:\n{}", faults.join("\n"));
    }

    /// Runs one case on every engine.
    pub fn check(&mut self, name: &str, subject: &impl Subject) {
        let (golden, cpu) = (self.open(name), Cpu::default());
        self.run_on::<f64, _, Portable<f64, Cpu>>(&cpu, &golden, "portable, f64", subject);
        self.run_on::<f32, _, Portable<f32, Cpu>>(&cpu, &golden, "portable, f32", subject);
        self.run_on::<f64, _, Static<f64>>(&cpu, &golden, "static, f64", subject);
        self.run_on::<f32, _, Static<f32>>(&cpu, &golden, "static, f32", subject);
        #[cfg(feature = "emulated-gpu")]
        {
            use formwork::gpu::{Emulated, Fused};
            self.run_on::<f64, _, Fused<f64, Emulated>>(&cpu, &golden, "fused, f64", subject);
            self.run_on::<f32, _, Fused<f32, Emulated>>(&cpu, &golden, "fused, f32", subject);
        }
        #[cfg(feature = "cuda")]
        if let Some(gpu) = self.gpu.get_or_init(super::gpu::open).clone() {
            // dfdx's own kernels do nothing where the driver pretends.
            if !super::gpu::pretended::here() {
                self.run_on::<f64, _, Portable<f64, _>>(&gpu, &golden, "CUDA, f64", subject);
                self.run_on::<f32, _, Portable<f32, _>>(&gpu, &golden, "CUDA, f32", subject);
            }
            use formwork::gpu::{Card, Fused};
            self.run_on::<f64, _, Fused<f64, Card>>(&gpu, &golden, "fused on CUDA, f64", subject);
            self.run_on::<f32, _, Fused<f32, Card>>(&gpu, &golden, "fused on CUDA, f32", subject);
        }
    }

    fn run_on<E: Float, D: Backend<E>, G: Engine<E, D>>(&mut self, device: &D, golden: &Golden, by: &str, subject: &impl Subject) {
        let mut comparison = golden.compare(by);
        let outcome = subject.compare::<E, D, G>(device, golden, &mut comparison);
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
