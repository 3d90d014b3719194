//! Three servers that call each other, with everything that servers and clients can have: what holds whatever becomes of it. That nobody is left with a
//! worker, and no call without an end, the simulator asserts itself when a run ends.

use std::sync::Arc;

use simlab::flow::{OnFailure, Step, When};
use simlab::retry::OutcomeSet;
use simlab::scenario::AbandonedWork;
use simlab::scenario::call::{CallConfig, ClientRules};

use super::worlds::Replicas;
use super::*;

/// `first` calls `second`, and that one calls `third`; `first` may call `third` too. What a case has of demand is that of the first.
fn tree(cases: [Case; 3], replicas: &[Replicas; 3], also: bool, propagate: bool, cancel: bool) -> Scenario {
    let names = ["first", "second", "third"];
    let method = cases[0].method;
    let mut servers: Vec<ServerConfig> = cases
        .iter()
        .zip(names)
        .zip(replicas)
        .map(|((case, name), replicas)| ServerConfig { name: name.to_owned(), ..replicas.server(case.server.clone()) })
        .collect();
    let call = |to: usize| {
        let Case { policy, gates, hedge, .. } = &cases[to];
        let (gates, endpoints) = (replicas[to].gates(gates), replicas[to].rules.clone());
        let rules = ClientRules { policy: Arc::new(policy.clone()), gates, hedge: hedge.clone(), endpoints };
        CallConfig { rules: Some(rules), propagate, ..CallConfig::to(names[to], to, method) }
    };
    let told = |server: &ServerConfig| cancel && server.abandoned_work == AbandonedWork::Cancel;
    let cancels = [told(&servers[0]), told(&servers[1])];
    servers[0].calls = vec![CallConfig { cancel: cancels[0], ..call(1) }];
    if also {
        let step = Step { when: When::Share(0.5), on_failure: OnFailure::GoOn, committed_with: None };
        servers[0].calls.push(CallConfig { step, ..call(2) });
    }
    servers[1].calls = vec![CallConfig { cancel: cancels[1], ..call(2) }];
    let [first, second, third] = &cases;
    let faults = [first, second, third].into_iter().zip(0..).flat_map(|(case, server)| {
        let of = case.faults.iter().map(move |fault| Fault {
            server,
            replica: (replicas[server].at < replicas[server].count).then_some(replicas[server].at),
            name: format!("{server}{}", fault.name),
            ..fault.clone()
        });
        of.collect::<Vec<_>>()
    });
    let faults: Vec<Fault> = faults.collect();
    let mut scenario = replicas[0].of(first).in_world(|world| {
        world.servers = servers;
        world.faults = faults;
    });
    scenario.policies[0].rules_mut().endpoints = replicas[0].rules.clone();
    scenario
}

/// The same in two steps, of which the first one's failure means something, if it does.
fn in_steps(scenario: Scenario, flow: u8) -> Scenario {
    let on_failure = match flow {
        0 => return scenario,
        1 => OnFailure::Stop,
        2 => OnFailure::GoOn,
        _ => OnFailure::StartOver { on: Box::new(OutcomeSet::any()), times: 2 },
    };
    scenario.in_world(|world| {
        let method = world.operation.method;
        let first = Step { on_failure, ..Step::default() };
        let second = Step { when: When::Share(0.7), ..Step::default() };
        world.operation.steps = vec![
            CallConfig { step: first, ..CallConfig::to("one", 0, method) },
            CallConfig { step: second, ..CallConfig::to("two", 1, method) },
        ];
    })
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn books_balance_at_every_server(
        cases in [worlds::case(), worlds::case(), worlds::case()],
        replicas in [worlds::replicas(), worlds::replicas(), worlds::replicas()],
        also: bool, propagate: bool, cancel: bool, alone: bool, flow in 0u8..4,
    ) {
        let replicas = replicas.map(|replicas| if alone { replicas.alone() } else { replicas });
        let scenario = in_steps(tree(cases, &replicas, also, propagate, cancel), flow);
        let result = run(&scenario);
        let names = Names { servers: vec!["first", "second", "third"], ..Names::default() };
        let of = |name: &str| {
            let measure = Measure::parse(name, &names).unwrap_or_else(|| panic!("no metric {name}"));
            result.metrics.iter().find(|(own, _)| *own == measure).and_then(|(_, value)| *value).unwrap_or(0.0)
        };
        prop_assert_eq!(of("operations"), of("succeeded") + of("failed") + of("unresolved"));
        let sum = |what: &str| names.servers.iter().map(|server| of(&format!("{what}.server.{server}"))).sum::<f64>();
        for what in ["executions", "effects", "duplicates"] {
            prop_assert_eq!(of(what), sum(what), "{}", what);
        }
        prop_assert!((of("load_mean") - sum("load_mean")).abs() < 1e-9);
        prop_assert_eq!(of("attempts"), sum("attempts"));
        let outcomes = result.metrics.iter().filter(|(measure, _)| {
            // Those of steps are parts of these.
            measure.metric.name().starts_with("outcome_") && !matches!(measure.of, simlab::scenario::metric::Of::Step(_))
        });
        prop_assert_eq!(of("attempts"), outcomes.map(|(_, n)| n.unwrap()).sum::<f64>());
        for server in &names.servers {
            let [attempts, executions] = ["attempts", "executions"].map(|what| of(&format!("{what}.server.{server}")));
            prop_assert!(executions <= attempts, "{}: {} of {}", server, executions, attempts);
        }
        // What passes on changes nothing itself.
        prop_assert_eq!(of("effects.server.first") + of("effects.server.second"), 0.0);
        let again = run(&scenario.clone().framed(|frame| frame.whole_way = true));
        prop_assert_eq!(result.digest, again.digest);
        prop_assert_eq!(&result.metrics, &again.metrics);
    }
}
