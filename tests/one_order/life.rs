//! One order, step by step: what section 3.14 of the contract says, in the order in which it happens.

use std::collections::{BTreeMap, BTreeSet};

use simlab::flow::Journal;
use simlab::scenario::CrashWhen;

use super::world::{Fails, Ns, World};

/// Why it stops where it is.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The client crashes now, and is back after this.
    Crash(Ns),
    /// The run is over.
    End,
}

struct Life<'w> {
    world: &'w World,
    now: Ns,
    /// Random crashes to come.
    crashes: Vec<Ns>,
    may_crash_at_step: bool,
    /// Completed steps as the process knows them, and as the journal has them.
    known: BTreeSet<usize>,
    journal: BTreeSet<usize>,
    /// The failed step, what follows, and below which step everything has been looked at.
    undoing: Option<(usize, u32, Ns, usize)>,
    undone: BTreeSet<usize>,
    left: BTreeSet<usize>,
    /// Every step that was made once.
    made: BTreeSet<usize>,
    repeated: u32,
    attempts: u32,
    /// Executions of each step, and the instants at which they are made.
    executions: Vec<Vec<Ns>>,
    resumes: u32,
    starts: u32,
    rollbacks: u32,
    seen: BTreeSet<&'static str>,
}

/// What becomes of one order, by the names of metrics; and what has come about on its way.
pub fn live(world: &World) -> (BTreeMap<&'static str, f64>, BTreeSet<&'static str>) {
    let mut life = Life {
        world,
        now: 0,
        crashes: world.random_crashes(),
        may_crash_at_step: true,
        known: BTreeSet::new(),
        journal: BTreeSet::new(),
        undoing: None,
        undone: BTreeSet::new(),
        left: BTreeSet::new(),
        made: BTreeSet::new(),
        repeated: 0,
        attempts: 0,
        executions: vec![Vec::new(); world.steps.len()],
        resumes: 0,
        starts: 0,
        rollbacks: 0,
        seen: BTreeSet::new(),
    };
    let (mut first_crash, mut crashes) = (None, 0);
    // Some(true): it has succeeded.
    let ended = loop {
        match life.run() {
            Ok(succeeded) => break Some(succeeded),
            Err(Cut::End) => break None,
            Err(Cut::Crash(down)) => {
                first_crash.get_or_insert(life.now);
                crashes += 1;
                if world.is_lost {
                    break Some(false);
                }
                life.crash();
                if life.undoing.is_some() {
                    life.seen.insert("crash while undoing");
                }
                let back = life.now + world.takeover.map_or(down, |after| after.min(down));
                // One that is down does not crash.
                life.crashes.retain(|at| *at >= back);
                life.now = back;
                if back >= world.end {
                    break None;
                }
            }
        }
    };
    if crashes > 0 {
        life.seen.insert("crash");
    }
    if crashes > 1 {
        life.seen.insert("several crashes");
    }
    life.count(ended, first_crash.filter(|_| !(world.is_lost && crashes > 0)))
}

impl Life<'_> {
    /// Time passes, unless the client crashes before.
    fn pass(&mut self, until: Ns) -> Result<(), Cut> {
        if let Some(crash) = self.crashes.first().copied().filter(|crash| *crash <= until)
            && crash < self.world.end
        {
            self.crashes.remove(0);
            self.now = crash;
            return Err(Cut::Crash(self.world.random.expect("it crashes at random").1));
        }
        if until >= self.world.end {
            return Err(Cut::End);
        }
        self.now = until;
        Ok(())
    }

    /// The client crashes here, if it has not before.
    fn at_step(&mut self, step: usize, when: CrashWhen) -> Result<(), Cut> {
        match self.world.crash_at {
            Some((at, which, down)) if (at, which) == (step, when) && self.may_crash_at_step => {
                self.may_crash_at_step = false;
                Err(Cut::Crash(down))
            }
            _ => Ok(()),
        }
    }

    /// What a crash leaves.
    fn crash(&mut self) {
        self.undone.clear();
        if self.world.journal == Journal::EachStep {
            self.known = self.journal.clone();
        } else {
            self.known.clear();
            self.journal.clear();
            self.undoing = None;
        }
    }

    /// From where it stands to its end: whether it has succeeded.
    fn run(&mut self) -> Result<bool, Cut> {
        loop {
            if let Some((_, times, after, _)) = self.undoing {
                self.undo()?;
                if self.rollbacks >= times {
                    return Ok(false);
                }
                self.wait(after)?;
                self.rollbacks += 1;
                self.undoing = None;
                self.seen.insert("made anew after it was undone");
            }
            if let Some(ended) = self.forward()? {
                return Ok(ended);
            }
        }
    }

    /// It waits, and begins anew with what it knows.
    fn wait(&mut self, after: Ns) -> Result<(), Cut> {
        self.pass(self.now + after)?;
        self.undone.clear();
        if self.world.journal == Journal::None {
            self.known.clear();
        }
        Ok(())
    }

    /// The steps in order. `None`: it begins anew, or undoes.
    fn forward(&mut self) -> Result<Option<bool>, Cut> {
        for number in 0..self.world.steps.len() {
            let step = &self.world.steps[number];
            if step.undoes.is_some() || self.known.contains(&number) {
                continue;
            }
            let together: Vec<usize> =
                (0..self.world.steps.len()).filter(|other| self.world.steps[*other].with == Some(number)).collect();
            if self.make(number)? {
                self.known.insert(number);
                if self.world.journal == Journal::EachStep && step.with.is_none() {
                    let mut entries: Vec<usize> =
                        together.into_iter().filter(|other| self.known.contains(other)).collect();
                    entries.push(number);
                    self.write()?;
                    if !self.world.loses_writes {
                        self.journal.extend(entries);
                    }
                }
                self.at_step(number, CrashWhen::After)?;
                continue;
            }
            for other in together {
                if self.known.remove(&other) {
                    self.seen.insert("rolled back");
                }
            }
            match step.on_failure {
                Fails::GoOn => {}
                Fails::StartOver(times) if self.starts < times => {
                    self.starts += 1;
                    self.known.clear();
                    self.journal.clear();
                    return Ok(None);
                }
                Fails::Resume { after, times, .. } if self.resumes < times => {
                    self.resumes += 1;
                    self.seen.insert("resumed");
                    self.wait(after)?;
                    return Ok(None);
                }
                Fails::Undo | Fails::Resume { then_undo: true, .. } => {
                    self.undoing = Some((number, 0, 0, self.world.steps.len()));
                    return Ok(None);
                }
                Fails::UndoAndRetry { after, times } => {
                    self.undoing = Some((number, times, after, self.world.steps.len()));
                    return Ok(None);
                }
                Fails::Stop | Fails::StartOver(_) | Fails::Resume { .. } => return Ok(Some(false)),
            }
        }
        if self.world.journal == Journal::AfterRun {
            self.write()?;
        }
        Ok(Some(true))
    }

    /// What was done is undone, the last first.
    fn undo(&mut self) -> Result<(), Cut> {
        while let Some((failed, times, after, below)) = self.undoing {
            let steps = &self.world.steps;
            let undo_of = |step: usize| {
                (0..steps.len())
                    .find_map(|undo| steps[undo].undoes.filter(|(of, _)| *of == step).map(|(_, sent)| (undo, sent)))
            };
            let next = (0..below).rev().find(|step| {
                let Some((_, if_sent)) = undo_of(*step) else { return false };
                let is_done = self.known.contains(step) || if_sent && *step == failed;
                is_done && !self.undone.contains(step) && !self.left.contains(step)
            });
            let Some(step) = next else { return Ok(()) };
            // A crash from here on begins with this one again.
            self.undoing = Some((failed, times, after, step + 1));
            let (undo, _) = undo_of(step).expect("it has one");
            if self.make(undo)? {
                self.undone.insert(step);
                if !self.world.lists_undone {
                    self.known.remove(&step);
                    if self.world.journal == Journal::EachStep {
                        self.write()?;
                        if !self.world.loses_writes {
                            self.journal.remove(&step);
                        }
                    }
                }
                self.undoing = Some((failed, times, after, step));
                self.at_step(undo, CrashWhen::After)?;
            } else {
                self.left.insert(step);
                self.undoing = Some((failed, times, after, step));
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Cut> {
        self.pass(self.now + self.world.write).inspect_err(|_| _ = self.seen.insert("crash while writing"))
    }

    /// A step is made, with all its attempts: whether it has succeeded.
    fn make(&mut self, number: usize) -> Result<bool, Cut> {
        self.at_step(number, CrashWhen::Before)?;
        let step = &self.world.steps[number];
        if !self.made.insert(number) {
            self.repeated += 1;
        }
        for attempt in 1..=step.attempts {
            self.attempts += 1;
            let sent = self.now;
            let fails = step.fails_within.is_some_and(|(from, until)| (from..until).contains(&sent));
            if !fails || step.late {
                self.executions[number].push(sent + step.service);
            }
            let is_late = step.timeout < step.service;
            self.pass(sent + step.service.min(step.timeout))
                .inspect_err(|_| _ = self.seen.insert("crash in flight"))?;
            if !is_late {
                self.at_step(number, CrashWhen::During)?;
                if !fails {
                    return Ok(true);
                }
            }
            if attempt < step.attempts {
                self.pass(self.now + step.wait)?;
            }
        }
        Ok(false)
    }

    fn count(
        mut self,
        ended: Option<bool>,
        first_crash: Option<Ns>,
    ) -> (BTreeMap<&'static str, f64>, BTreeSet<&'static str>) {
        let steps = &self.world.steps;
        let executed: Vec<u64> = (0..steps.len())
            .map(|step| self.executions[step].iter().filter(|at| **at < self.world.end).count() as u64)
            .collect();
        let effects: Vec<u64> = (0..steps.len())
            .map(|step| executed[step].min(if steps[step].idempotent { 1 } else { u64::MAX }))
            .collect();
        let (mut duplicates, mut stands, mut missing, mut undos) = (0, false, 0, 0);
        for (number, step) in steps.iter().enumerate() {
            if step.undoes.is_some() {
                continue;
            }
            let undo = (0..steps.len()).find(|undo| steps[*undo].undoes.is_some_and(|(of, _)| of == number));
            let undone = undo.map_or(0, |undo| effects[undo]);
            duplicates += effects[number].saturating_sub(1 + undone);
            duplicates += undone.saturating_sub(effects[number].max(1));
            undos += undone;
            if effects[number] > undone {
                stands = true;
            } else {
                missing += 1;
            }
        }
        let (succeeded, failed) = (ended == Some(true), ended == Some(false));
        let half_done = ended.is_some() && stands && missing > 0;
        let phantom = failed && stands && missing == 0;
        let is_undone = failed && undos > 0 && !stands;
        for (what, is) in [
            ("half done", half_done),
            ("phantom success", phantom),
            ("undone", is_undone),
            ("left for a person", !self.left.is_empty()),
            ("duplicate", duplicates > 0),
        ] {
            if is {
                self.seen.insert(what);
            }
        }
        let count = |is: bool| f64::from(u8::from(is));
        let mut told = BTreeMap::from([
            ("operations", 1.0),
            ("succeeded", count(succeeded)),
            ("failed", count(failed)),
            ("unresolved", count(ended.is_none())),
            ("attempts", f64::from(self.attempts)),
            ("executions", executed.iter().sum::<u64>() as f64),
            ("effects", effects.iter().sum::<u64>() as f64),
            ("duplicates", duplicates as f64),
            ("phantom_successes", count(phantom)),
            ("half_done", count(half_done)),
            ("missing_effects", if ended.is_some() && (stands || succeeded) { f64::from(missing) } else { 0.0 }),
            ("undone", count(is_undone)),
            ("left_for_person", count(!self.left.is_empty())),
            ("steps_repeated", f64::from(self.repeated)),
            ("gone_wrong", count(!succeeded) + duplicates as f64 + count(phantom) + count(half_done)),
        ]);
        let seconds = |ns: Ns| ns as f64 / 1e9;
        if succeeded {
            told.insert("latency_max", seconds(self.now));
        }
        if let (Some(crash), true) = (first_crash, ended.is_some()) {
            told.insert("repair_mean", seconds(self.now - crash));
        }
        (told, self.seen)
    }
}
