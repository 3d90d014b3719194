//! Servers with replicas: their loads add up, who is left out gets nothing, and where it does not matter which of them is asked, they are one server.

use simlab::endpoint::{EjectionConfig, EndpointRules};
use simlab::scenario::Fates;

use super::*;

/// A metric of the only server, or of one of its replicas.
fn of_server(result: &RunResult, name: &str) -> f64 {
    let names = Names { servers: vec!["s"], ..Names::default() };
    let measure = Measure::parse(name, &names).unwrap_or_else(|| panic!("no metric {name}"));
    result.value(measure).unwrap_or_else(|| panic!("{name} has no value"))
}

fn of_replicas(result: &RunResult, what: &str, count: u32) -> Vec<f64> {
    (1..=count).map(|replica| of_server(result, &format!("{what}.server.s.{replica}"))).collect()
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn loads_add_up(case in worlds::case(), replicas in worlds::replicas()) {
        let scenario = replicas.of(&case);
        let result = run(&scenario);
        let of = |name| value(&result, name);
        prop_assert_eq!(of("operations"), of("succeeded") + of("failed") + of("unresolved"));
        let attempts = of_replicas(&result, "attempts", replicas.count);
        prop_assert_eq!(of("attempts"), sum(&attempts));
        prop_assert_eq!(of("attempts"), of_server(&result, "attempts.server.s"));
        let outcomes = result.metrics.iter().filter(|(measure, _)| measure.metric.name().starts_with("outcome_"));
        prop_assert_eq!(of("attempts"), outcomes.map(|(_, n)| n.unwrap()).sum::<f64>());
        let longest = of_replicas(&result, "queue_max", replicas.count).into_iter().fold(0.0, f64::max);
        prop_assert_eq!(of("queue_max"), longest);
        if case.server.workers.is_some() {
            let busy = of_replicas(&result, "utilisation", replicas.count);
            let mean = sum(&busy) / f64::from(replicas.count);
            prop_assert!((of("utilisation") - mean).abs() < 1e-9, "{:?}", busy);
        }
        // Only replicas that know the same keys do a thing once.
        if !replicas.own[2] || matches!(case.server.idempotency, Idempotency::None) {
            check_effects(&case, &result)?;
        }
        check_timeline(&scenario, &result)?;
        check_record(&result)?;
        let again = run(&scenario);
        prop_assert_eq!(result.digest, again.digest);
        prop_assert_eq!(&result.metrics, &again.metrics);
    }

    /// Where all can do the same at once, and know the same, it does not matter how many they are.
    #[test]
    fn alike_replicas_are_one_server(case in worlds::case(), mut replicas in worlds::replicas()) {
        (replicas.own, replicas.at, replicas.rules) = ([false; 3], replicas.count, EndpointRules::default());
        let server = ServerConfig { workers: None, ..case.server };
        let faults = case.faults.into_iter().map(|fault| Fault { freeze: false, crash: false, capacity: 1.0, ..fault });
        let case = Case { server, faults: faults.collect(), ..case };
        let (many, one) = (run(&replicas.of(&case)), run(&case.scenario()));
        prop_assert_eq!(many.digest, one.digest);
        prop_assert_eq!(&many.timeline, &one.timeline);
        for (measure, value) in &one.metrics {
            prop_assert_eq!(many.value(*measure), *value, "{:?}", measure);
        }
    }

    /// A replica that refuses everything costs each client as many attempts as it needs to see that, and no more.
    #[test]
    fn an_ejected_one_gets_nothing(case in worlds::case(), replicas in worlds::replicas(), failures in 1u32..4) {
        let dead = replicas.at % replicas.count;
        let faults = vec![Fault {
            replica: Some(dead),
            fates: Fates { refused: 1.0, ..Fates::default() },
            ..Fault::named("f", 0, SimTime::ZERO, SimTime::NEVER)
        }];
        // The others never fail, and nothing is on its way while something else is seen.
        let server = ServerConfig { network: Distribution::ZERO, workers: None, ..ServerConfig::named("s") };
        let policy = RetryPolicy { timeout: None, ..case.policy.clone() };
        let case = Case { server, faults: Vec::new(), policy, gates: Vec::new(), warmup: Span::ZERO, ..case };
        let ejection = EjectionConfig { failures, time: Span::secs(1_000), ..EjectionConfig::default() };
        let mut scenario = replicas.of(&case).in_world(|world| world.faults = faults);
        scenario.policies[0].rules_mut().endpoints.ejection = Some(ejection);
        let attempts = of_replicas(&run(&scenario), "attempts", replicas.count);
        prop_assert!(attempts[dead as usize] <= f64::from(failures * case.clients), "{:?}", attempts);
    }
}
