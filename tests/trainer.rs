//! What a trainer promises: the loop that one would write, and what surrounds it.

use formwork::Noise;
use formwork::data::Source;
use formwork::metrics::{accuracy, f1, mse};
use formwork::prelude::*;
use formwork::trainer::{Checkpoints, Goal, Progress, Step, Stopped, Trainer};
use std::ops::ControlFlow;

#[network([1, 8, 8] => [10])]
type Reader = (Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, MaxPool2d<2>, Flatten, Dropout<20>, Linear<64, 10>);

type Digits = formwork::data::digits::Digits;

fn digits() -> (Digits, Digits) {
    formwork::data::digits::load().unwrap().split_stratified(0.2, 0)
}

fn silent<'a, L: Loss<Rank1<10>, Class<10>>, O: Optimizer<f32>>(loss: L, optimizer: O) -> Trainer<'a, Reader, Class<10>, L, O> {
    Trainer::new(loss, optimizer).progress(Progress::Silent)
}

fn bits(model: &Model<Reader>) -> Vec<u32> {
    model.parameters().into_iter().chain(model.buffers()).map(f32::to_bits).collect()
}

#[test]
fn it_is_the_loop_that_one_would_write() {
    let (train, _) = digits();
    let mut by_hand = Model::<Reader>::new(1);
    let mut optimizer = Adam::new(1e-3);
    for epoch in 0..2 {
        for batch in train.shuffled(32, 5 + epoch) {
            by_hand.train(&batch, &CrossEntropy::default(), &mut optimizer).unwrap();
        }
    }
    let mut trained = Model::<Reader>::new(1);
    let history = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(2).seed(5).fit(&mut trained, &train).unwrap();
    assert_eq!(bits(&by_hand), bits(&trained));
    assert_eq!(history.columns(), ["epoch", "loss", "seconds"]);
    assert_eq!((history.rows().len(), history.stopped), (2, Stopped::Finished));
    assert!(history.column("loss")[1] < history.column("loss")[0]);
}

#[test]
fn losses_and_metrics_are_those_of_the_model() {
    let (train, test) = digits();
    let mut model = Model::<Reader>::new(0);
    let mut trainer = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(1).validation(&test).metric(accuracy()).metric(f1());
    let history = trainer.fit(&mut model, &train).unwrap();
    assert_eq!(history.columns(), ["epoch", "loss", "val_loss", "val_accuracy", "val_f1", "seconds"]);
    let loss = f64::from(model.evaluate(&test, &CrossEntropy::default()).unwrap());
    assert!((history.last("val_loss").unwrap() - loss).abs() < 1e-5);
    let measured = model.measure(&test, accuracy()).unwrap();
    assert_eq!(history.last("val_accuracy"), Some(measured.matrix().accuracy()));
    assert_eq!(measured.matrix().total(), test.len() as u64);
}

/// A validation set that gets worse from the first epoch on: its classes are wrong.
#[test]
fn the_best_epoch_is_kept_and_patience_ends() {
    let (train, test) = digits();
    let wrong =
        Digits::new((0..test.len()).flat_map(|i| test.input(i).to_vec()).collect(), (0..test.len()).map(|i| (test.target(i)[0] + 1) % 10).collect());
    let wrong = wrong.unwrap();
    let mut model = Model::<Reader>::new(0);
    let mut first = Vec::new();
    let mut trainer = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(50).validation(&wrong).keep_best().patience(3);
    let history = trainer
        .fit_watched(&mut model, &train, |history, model| {
            if history.rows().len() == 1 {
                first = bits(model);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((history.stopped, history.rows().len()), (Stopped::Early, 4));
    assert_eq!(bits(&model), first);

    // By accuracy more is better.
    let mut trainer = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(3).validation(&test).metric(accuracy());
    trainer = trainer.monitor("val_accuracy", Goal::Most).keep_best();
    let history = trainer.fit(&mut model, &train).unwrap();
    let best = history.column("val_accuracy").into_iter().fold(0.0, f64::max);
    assert_eq!(model.measure(&test, accuracy()).unwrap().matrix().accuracy(), best);
}

#[test]
fn each_batch_is_shown() {
    let (train, _) = digits();
    let schedule = CosineAnnealingLr::new(1e-3, 100);
    let optimizer = || Adam::new(1e-3).scheduled(schedule).clip_norm(1.0);
    let (mut model, mut unwatched, mut steps) = (Model::<Reader>::new(1), Model::<Reader>::new(1), Vec::<Step>::new());
    silent(CrossEntropy::default(), optimizer()).epochs(2).fit(&mut unwatched, &train).unwrap();
    let mut trainer = silent(CrossEntropy::default(), optimizer()).epochs(2).on_batch(|step| {
        steps.push(*step);
        ControlFlow::Continue(())
    });
    let history = trainer.fit(&mut model, &train).unwrap();
    drop(trainer);
    assert_eq!(bits(&model), bits(&unwatched));
    assert_eq!(steps.len(), 2 * 45);
    for (i, step) in steps.iter().enumerate() {
        let (done, batch) = (i as u64, i as u64 % 45 + 1);
        assert_eq!((step.epoch, step.batch, step.batches, step.step), (done / 45 + 1, batch, 45, done + 1));
        assert_eq!(step.samples, if batch == 45 { train.len() - 44 * 32 } else { 32 });
        assert_eq!(step.learning_rate, Some(schedule.rate(done)));
    }
    for (epoch, loss) in steps.chunks(45).zip(history.column("loss")) {
        let sum: f64 = epoch.iter().map(|step| step.loss * step.samples as f64).sum();
        assert_eq!(sum / train.len() as f64, loss);
    }
}

#[test]
fn a_run_can_be_ended_within_an_epoch_and_resumed() {
    let (train, _) = digits();
    let folder = tempfile::tempdir().unwrap();
    let trainer = || silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(2).checkpoints(Checkpoints::new(folder.path()).resume());
    let mut stopped = Model::<Reader>::new(3);
    let history =
        trainer().on_batch(|step| if step.step == 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).fit(&mut stopped, &train);
    let history = history.unwrap();
    assert_eq!((history.stopped, history.rows().len()), (Stopped::Watched, 1));
    assert!(folder.path().join("checkpoint-0000000050.safetensors").exists());

    let mut first = None;
    let mut resumed = Model::<Reader>::new(3);
    let mut trainer = trainer().on_batch(|step| {
        first.get_or_insert((step.epoch, step.batch));
        ControlFlow::Continue(())
    });
    assert_eq!(trainer.fit(&mut resumed, &train).unwrap().stopped, Stopped::Finished);
    drop(trainer);
    assert_eq!(first, Some((2, 6)));
    let mut whole = Model::<Reader>::new(3);
    silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(2).fit(&mut whole, &train).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn a_column_that_is_none_is_an_error() {
    let (train, _) = digits();
    let error =
        silent(CrossEntropy::default(), Adam::new(1e-3)).monitor("val_loss", Goal::Least).fit(&mut Model::<Reader>::new(0), &train).unwrap_err();
    assert_eq!(error.to_string(), "the column to monitor: expected epoch, loss, seconds, given val_loss");
}

#[test]
fn two_halves_are_a_batch() {
    #[network([64] => [10])]
    type Plain = (Linear<64, 16>, Tanh, Linear<16, 10>);
    let (digits, _) = digits();
    // 1408 samples: whole batches only.
    let flat = |count: usize| {
        let inputs = (0..count).flat_map(|i| digits.input(i).to_vec()).collect();
        Dataset::<Rank1<64>, Class<10>>::new(inputs, (0..count).map(|i| digits.target(i)[0]).collect()).unwrap()
    };
    let train = |size: usize, batches: usize| {
        let mut model = Model::<Plain>::new(0);
        let optimizer = Sgd::new(0.1).momentum(0.9).accumulated(batches);
        Trainer::new(CrossEntropy::default(), optimizer).batch_size(size).epochs(2).progress(Progress::Silent).fit(&mut model, &flat(1408)).unwrap();
        model.parameters()
    };
    let worst = train(64, 1).iter().zip(&train(32, 2)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

/// Sample 100 is what `bad` says.
struct Spoiled<'a>(&'a Digits, f32);

impl Source for Spoiled<'_> {
    type Input = Rank3<1, 8, 8>;
    type Target = Class<10>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [f32], target: &mut [usize]) -> Result<(), Error> {
        Source::<f32>::read(self.0, index, noise, input, target)?;
        if index == 100 {
            input.fill(self.1);
        }
        Ok(())
    }
}

#[test]
fn a_sample_that_is_no_number_is_named() {
    let (train, _) = digits();
    let error = silent(CrossEntropy::default(), Adam::new(1e-3)).fit(&mut Model::<Reader>::new(0), &Spoiled(&train, f32::NAN)).unwrap_err();
    assert_eq!(error.to_string(), "sample 100: expected a finite number, given NaN");
}

#[test]
fn a_loss_that_is_no_number_names_its_layer() {
    let (train, _) = digits();
    let mut trainer = silent(CrossEntropy::default(), Adam::new(1e-3));
    let error = trainer.fit(&mut Model::<Reader>::new(0), &Spoiled(&train, f32::MAX)).unwrap_err();
    let place = "the output of layer 0, Conv2d<1, 4, 3, 1, 1>";
    assert_eq!(error.to_string(), format!("epoch 1, batch 45: the loss is no longer a number; the first place that is not finite is {place}"));

    #[network([64] => [10])]
    type Deep = (Linear<64, 16>, Repeat<Residual<()>, 8>, Linear<16, 10>);
    let diverged = |scale: f32, learning_rate: f64| {
        let inputs = (0..64).flat_map(|i| train.input(i).iter().map(|x| x * scale).collect::<Vec<_>>()).collect();
        let flat = Dataset::<Rank1<64>, Class<10>>::new(inputs, (0..64).map(|i| train.target(i)[0]).collect()).unwrap();
        let mut trainer = Trainer::new(CrossEntropy::default(), Sgd::new(learning_rate)).progress(Progress::Silent);
        trainer.fit(&mut Model::<Deep>::new(0), &flat).unwrap_err().to_string()
    };
    // Finite behind the first layer, and no longer when it is doubled eight times.
    assert!(diverged(1e37, 0.0).ends_with(" is the output of layer 2, Linear<16, 10>"), "{}", diverged(1e37, 0.0));
    // The first step is too long, and the second sees where it led.
    assert!(diverged(1.0, 1e30).starts_with("epoch 1, batch 2: "), "{}", diverged(1.0, 1e30));
}

#[test]
fn the_last_checkpoints_are_kept_and_resumed() {
    let (train, test) = digits();
    let folder = tempfile::tempdir().unwrap();
    let optimizer = || RmsProp::new(1e-3).momentum(0.9).scheduled(CosineAnnealingLr::new(1e-3, 200)).clip_norm(1.0).accumulated(3);
    let run = |model: &mut Model<Reader>, epochs: u64, checkpoints: Option<Checkpoints>| {
        let mut trainer = silent(CrossEntropy::default(), optimizer()).epochs(epochs).validation(&test).metric(accuracy()).keep_best();
        if let Some(checkpoints) = checkpoints {
            trainer = trainer.checkpoints(checkpoints);
        }
        trainer.fit(model, &train)
    };
    let mut whole = Model::<Reader>::new(3);
    let uninterrupted = run(&mut whole, 4, None).unwrap();

    let checkpoints = || Checkpoints::new(folder.path()).keep(2).every_steps(20).resume();
    run(&mut Model::<Reader>::new(3), 2, Some(checkpoints())).unwrap();
    let mut resumed = Model::<Reader>::new(99); // its seed is replaced by that of the run
    let history = run(&mut resumed, 4, Some(checkpoints())).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
    for column in ["epoch", "loss", "val_loss", "val_accuracy"] {
        assert_eq!(history.column(column), uninterrupted.column(column), "{column}");
    }
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["checkpoint-0000000160.safetensors", "checkpoint-0000000180.safetensors"]);

    let error = run(&mut Model::<Reader>::new(3), 4, Some(Checkpoints::new(folder.path()))).unwrap_err();
    assert!(error.to_string().ends_with("expected no checkpoints, or `Checkpoints::resume`, given checkpoint-0000000180.safetensors"), "{error}");
}

/// Only what it made itself: other temporary files are others'.
#[test]
fn what_a_killed_save_left_is_removed() {
    let (train, _) = digits();
    let folder = tempfile::tempdir().unwrap();
    let others = [".tmpAb12Cd", ".checkpoint-.unfinished", ".checkpoint-Ab12Cd", ".checkpoint-Ab12C_.unfinished", "checkpoint-Ab12Cd.unfinished"];
    for name in others.into_iter().chain([".checkpoint-Ab12Cd.unfinished", ".checkpoint-zzzzzz.unfinished"]) {
        std::fs::write(folder.path().join(name), "half of it").unwrap();
    }
    let mut trainer = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(1).checkpoints(Checkpoints::new(folder.path()));
    trainer.fit(&mut Model::<Reader>::new(0), &train).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected = [&others[..], &["checkpoint-0000000045.safetensors"]].concat();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_checkpoint_of_another_run_is_refused() {
    let (train, _) = digits();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = || Checkpoints::new(folder.path()).resume();
    silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(1).checkpoints(checkpoints()).fit(&mut Model::<Reader>::new(0), &train).unwrap();

    let error = silent(CrossEntropy::default(), Sgd::new(1e-3))
        .batch_size(16)
        .checkpoints(checkpoints())
        .fit(&mut Model::<Reader>::new(0), &train)
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("checkpoint-0000000045.safetensors: this is the checkpoint of another run:"), "{text}");
    assert!(text.contains("\n  run.batch_size: expected 16, given 32"), "{text}");
    assert!(text.contains("\n  optimizer.velocity: missing, expected ["), "{text}");
    assert!(text.contains("\n  optimizer.mean: unknown, given ["), "{text}");
}

/// Every bit counts: whichever is changed, the file is refused.
#[test]
fn a_changed_bit_is_found() {
    let (train, _) = digits();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = || Checkpoints::new(folder.path()).resume();
    silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(1).checkpoints(checkpoints()).fit(&mut Model::<Reader>::new(0), &train).unwrap();
    let path = folder.path().join("checkpoint-0000000045.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let mut refused = Vec::new();
    for round in 0..200 {
        let mut damaged = whole.clone();
        let bit = round * 7919 * 8 % (8 * whole.len()) + round % 8;
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, damaged).unwrap();
        let error = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(1).checkpoints(checkpoints()).fit(&mut Model::<Reader>::new(0), &train);
        refused.push(error.map(|_| bit).unwrap_err().to_string());
    }
    assert!(refused.iter().all(|text| text.contains("checkpoint-0000000045.safetensors")), "{refused:#?}");
    assert!(refused.iter().any(|text| text.contains("damaged: the checksum of `optimizer.mean` is not")), "{refused:#?}");
}

#[test]
fn the_history_is_a_file() {
    let (train, _) = digits();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.csv");
    let history = silent(CrossEntropy::default(), Adam::new(1e-3)).epochs(2).csv(&file).fit(&mut Model::<Reader>::new(0), &train).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, history.csv());
    assert_eq!(text.lines().next(), Some("epoch,loss,seconds"));
    assert_eq!(text.lines().nth(2).and_then(|line| line.split(',').nth(1)?.parse().ok()), history.last("loss"));
}

#[test]
fn numbers_are_regressed_too() {
    let inputs: Vec<f32> = (0..40).map(|i| i as f32 / 40.0).collect();
    let targets = inputs.iter().map(|x| 3.0 * x - 1.0).collect();
    let data = Dataset::<Rank1<1>, Values<Rank1<1>>>::new(inputs, targets).unwrap();
    let mut model = Model::<Net<Linear<1, 1>, Rank1<1>, Rank1<1>>>::new(0);
    let mut trainer = Trainer::new(Mse, Adam::new(0.05)).epochs(100).metric(mse()).metric(formwork::metrics::r2()).progress(Progress::Silent);
    let history = trainer.fit(&mut model, &data).unwrap();
    assert!(history.last("r2").unwrap() > 0.99, "{history:?}");
}
