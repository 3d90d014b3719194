//! Mixes: what members do adds up to what all do, and a mix of clients that do the same is no mix.

use simlab::scenario::Member;
use simlab::scenario::call::ClientRules;

use super::*;

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn members_add_up(case in worlds::case(), other in worlds::case(), share in 0.05f64..0.95) {
        let rules = |case: &Case| ClientRules {
            policy: Arc::new(case.policy.clone()),
            gates: case.gates.clone(),
            hedge: case.hedge.clone(),
            ..ClientRules::default()
        };
        let members = vec![
            Member { share, ..Member::all("first", rules(&case)) },
            Member { share: 1.0 - share, ..Member::all("second", rules(&other)) },
        ];
        let scenario = case.scenario().with_mix("mix", members);
        let names = Names { members: vec!["first", "second"], ..Names::default() };
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        let result = sim::run(&scenario, 1, 0, limits).expect("the run comes to its end");
        let of = |name: &str| result.value(Measure::parse(name, &names).unwrap_or_else(|| panic!("no metric {name}")));
        for what in [
            "operations", "succeeded", "failed", "unresolved", "attempts", "executions", "effects", "duplicates",
            "phantom_successes", "unsuccessful", "gone_wrong",
        ] {
            let parts = ["first", "second"].map(|member| of(&format!("{what}.member.{member}")).expect("a value"));
            prop_assert_eq!(of(what), Some(parts[0] + parts[1]), "{}", what);
        }
        check_record(&result)?;
    }

    /// Without state that a fleet shares, two halves that do the same are one whole.
    #[test]
    fn equals_are_no_mix(case in worlds::case(), share in 0.05f64..0.95) {
        let mut rules = ClientRules {
            policy: Arc::new(case.policy.clone()),
            gates: case.gates.clone(),
            hedge: case.hedge.clone(),
            ..ClientRules::default()
        };
        rules.gates.iter_mut().for_each(|gate| gate.scope = Scope::Client);
        rules.hedge.iter_mut().for_each(|hedge| hedge.scope = Scope::Client);
        let mut scenario = case.scenario();
        *scenario.policies[0].rules_mut() = rules.clone();
        let member = |name: &str, share| Member { share, ..Member::all(name, rules.clone()) };
        let mix = scenario.clone().with_mix("mix", vec![member("first", share), member("second", 1.0 - share)]);
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        let mix = sim::run(&mix, 1, 0, limits).expect("the run comes to its end");
        let alone = run(&scenario);
        prop_assert_eq!(mix.digest, alone.digest);
        prop_assert_eq!(&mix.timeline, &alone.timeline);
        for (measure, value) in &alone.metrics {
            prop_assert_eq!(mix.value(*measure), *value, "{:?}", measure);
        }
    }
}
