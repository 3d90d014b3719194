//! A distribution of durations, as a choice with parameters.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::EnumAccessDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::recorded::Column;
use crate::distribution::{Distribution, Empirical};
use crate::scenario::file::leaf::{Amount, Duration, PositiveDuration, PositiveNumber};
use crate::units::Span;

/// A distribution of times.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("examples" = [{ "lognormal": { "p50": "120ms", "p99": "900ms" } }, { "exponential": { "mean": "100ms" } }]))]
pub enum DistributionChoice {
    /// Always the same.
    Constant(Duration),
    /// Exponential.
    Exponential(Exponential),
    /// Uniform from `min` to `max`.
    Uniform(Uniform),
    /// The absolute value of a normal one.
    Normal(Normal),
    /// By median and 99th percentile; or with sigma, the standard deviation of the logarithm; or by mean and standard deviation of the
    /// value itself.
    Lognormal(Lognormal),
    /// At least `min` (above 0); `shape` is above 0, and the mean is infinite up to 1.
    Pareto(Pareto),
    /// `shape` is above 0; 4 is Erlang-4.
    Gamma(Gamma),
    /// `shape` is above 0; 1 is exponential.
    Weibull(Weibull),
    /// Recorded values, each as likely as the others: a column of a CSV file, in seconds. `column` is a name in the header or a number from
    /// 1.
    Empirical(Recorded),
    /// One of several by weight: `[{ weight = 0.99, exponential = { mean = "5ms" } }, …]`. Weights are not negative and need not add up to
    /// 1. No mixture in a mixture.
    Mixture(Mixture),
}

impl Default for DistributionChoice {
    fn default() -> DistributionChoice {
        DistributionChoice::Constant(Duration(Span::ZERO))
    }
}

/// `exponential = { mean }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exponential {
    /// Mean.
    mean: Duration,
}

/// `normal = { mean, sd }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Normal {
    /// Mean, before the absolute value is taken.
    mean: Duration,
    /// Standard deviation, before the absolute value is taken.
    sd: Duration,
}

/// `pareto = { min, shape }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pareto {
    /// Shortest time.
    min: PositiveDuration,
    /// Tail index, above 0. Up to 1 the mean is infinite.
    shape: PositiveNumber,
}

/// `gamma = { mean, shape }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gamma {
    /// Mean.
    mean: Duration,
    /// Shape, above 0; 4 is Erlang-4.
    shape: PositiveNumber,
}

/// `weibull = { scale, shape }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weibull {
    /// Scale.
    scale: Duration,
    /// Shape, above 0; 1 is exponential.
    shape: PositiveNumber,
}

/// `uniform = { min, max }`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "UniformKeys")]
pub struct Uniform {
    min: Duration,
    max: Duration,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UniformKeys {
    /// Shortest time.
    min: Duration,
    /// Longest time, not below `min`.
    max: Duration,
}

impl TryFrom<UniformKeys> for Uniform {
    type Error = String;
    fn try_from(UniformKeys { min, max }: UniformKeys) -> Result<Uniform, String> {
        if max.0 < min.0 {
            return Err(format!("`max` ({}) is below `min` ({})", max.0, min.0));
        }
        Ok(Uniform { min, max })
    }
}

/// `lognormal`, by one of three pairs of parameters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "LognormalKeys", into = "LognormalKeys")]
pub struct Lognormal {
    keys: LognormalKeys,
    value: Distribution,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["p50", "p99"] }, { "required": ["p50", "sigma"] }, { "required": ["mean", "sd"] }], "maxProperties" = 2))]
struct LognormalKeys {
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<PositiveDuration>,
    /// 99th percentile, not below `p50`.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<PositiveDuration>,
    /// Standard deviation of the logarithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<Amount>,
    /// Mean of the value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<PositiveDuration>,
    /// Standard deviation of the value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    sd: Option<Duration>,
}

impl TryFrom<LognormalKeys> for Lognormal {
    type Error = String;
    fn try_from(keys: LognormalKeys) -> Result<Lognormal, String> {
        let value = match &keys {
            LognormalKeys { p50: Some(p50), p99: Some(p99), sigma: None, mean: None, sd: None } => {
                if p99.span() < p50.span() {
                    return Err(format!("`p99` ({}) is below `p50` ({})", p99.span(), p50.span()));
                }
                Distribution::lognormal_p50_p99(p50.span(), p99.span())
            }
            LognormalKeys { p50: Some(p50), p99: None, sigma: Some(sigma), mean: None, sd: None } => {
                Distribution::lognormal_p50_sigma(p50.span(), sigma.0)
            }
            LognormalKeys { p50: None, p99: None, sigma: None, mean: Some(mean), sd: Some(sd) } => {
                Distribution::lognormal_mean_sd(mean.span(), sd.0)
            }
            _ => return Err("takes { p50, p99 } or { p50, sigma } or { mean, sd }".into()),
        };
        Ok(Lognormal { keys, value })
    }
}

impl From<Lognormal> for LognormalKeys {
    fn from(lognormal: Lognormal) -> LognormalKeys {
        lognormal.keys
    }
}

/// `empirical = { file, column }`: recorded values in a column of a CSV file, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// A CSV file, its path relative to the scenario: values in seconds, each as likely as the others.
    pub file: String,
    /// The column of the values: a name in the header or a number from 1.
    #[serde(default)]
    pub column: Column,
    /// Filled in once the file has been read.
    #[serde(skip)]
    pub values: Option<Arc<Empirical>>,
}

/// Parts with weights.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Part>")]
#[schemars(extend("minItems" = 1))]
pub struct Mixture(Vec<Part>);

impl TryFrom<Vec<Part>> for Mixture {
    type Error = String;
    fn try_from(parts: Vec<Part>) -> Result<Mixture, String> {
        if parts.iter().any(|part| part.weight.0 > 0.0) {
            Ok(Mixture(parts))
        } else {
            Err("needs at least one part with a weight above 0".into())
        }
    }
}

/// One part of a mixture: a weight beside exactly one distribution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "PartKeys")]
struct Part {
    weight: Amount,
    #[serde(flatten)]
    distribution: Box<DistributionChoice>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 2, "maxProperties" = 2))]
struct PartKeys {
    /// How often this part is drawn, relative to the others; not negative.
    weight: Amount,
    /// Always the same time.
    constant: Option<Duration>,
    /// Exponential.
    exponential: Option<Exponential>,
    /// Uniform.
    uniform: Option<Uniform>,
    /// Absolute value of a normal distribution.
    normal: Option<Normal>,
    /// Log-normal.
    lognormal: Option<Lognormal>,
    /// Pareto.
    pareto: Option<Pareto>,
    /// Gamma.
    gamma: Option<Gamma>,
    /// Weibull.
    weibull: Option<Weibull>,
    /// Recorded values.
    empirical: Option<Recorded>,
}

impl TryFrom<PartKeys> for Part {
    type Error = String;
    fn try_from(keys: PartKeys) -> Result<Part, String> {
        let given = [
            keys.constant.map(DistributionChoice::Constant),
            keys.exponential.map(DistributionChoice::Exponential),
            keys.uniform.map(DistributionChoice::Uniform),
            keys.normal.map(DistributionChoice::Normal),
            keys.lognormal.map(DistributionChoice::Lognormal),
            keys.pareto.map(DistributionChoice::Pareto),
            keys.gamma.map(DistributionChoice::Gamma),
            keys.weibull.map(DistributionChoice::Weibull),
            keys.empirical.map(DistributionChoice::Empirical),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(distribution), None) => Ok(Part { weight: keys.weight, distribution: Box::new(distribution) }),
            (None, _) => Err("a part of a mixture is a weight and a distribution; this one has no distribution".into()),
            (Some(_), Some(_)) => Err("a part of a mixture has one distribution; this one has several".into()),
        }
    }
}

/// One value of `retry_after`: a distribution, or a duration for one that is always the same.
#[derive(Clone, Debug)]
pub struct DurationOrDistribution(pub DistributionChoice);

impl JsonSchema for DurationOrDistribution {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "DurationOrDistribution".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (duration, distribution) =
            (generator.subschema_for::<Duration>(), generator.subschema_for::<DistributionChoice>());
        json_schema!({ "anyOf": [duration, distribution] })
    }
}

impl Serialize for DurationOrDistribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            DistributionChoice::Constant(duration) => duration.serialize(serializer),
            distribution => distribution.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DurationOrDistribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DurationOrDistribution, D::Error> {
        let either = Either { word: None, expected: "a duration or a distribution" };
        let read = deserializer.deserialize_enum("DurationOrDistribution", &[], either)?;
        Ok(DurationOrDistribution(read.unwrap_or_default()))
    }
}

/// Reads a distribution, a duration, or a word for none.
struct Either {
    word: Option<&'static str>,
    expected: &'static str,
}

impl<'de> Visitor<'de> for Either {
    type Value = Option<DistributionChoice>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<Option<DistributionChoice>, A::Error> {
        let (name, variant) = choice.variant::<String>()?;
        if self.word == Some(name.as_str()) {
            return variant.unit_variant().map(|()| None);
        }
        if let Ok(span) = Span::parse(&name) {
            return variant.unit_variant().map(|()| Some(DistributionChoice::Constant(Duration(span))));
        }
        DistributionChoice::deserialize(EnumAccessDeserializer::new(Named { name, variant })).map(Some)
    }
}

/// `max_wait`: a distribution, a duration for one that is always the same, or `"none"`.
#[derive(Clone, Debug, Default)]
pub struct MaxWait(pub Option<DistributionChoice>);

impl JsonSchema for MaxWait {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "MaxWait".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (duration, distribution) =
            (generator.subschema_for::<Duration>(), generator.subschema_for::<DistributionChoice>());
        json_schema!({ "anyOf": [duration, { "const": "none" }, distribution] })
    }
}

impl Serialize for MaxWait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str("none"),
            Some(distribution) => distribution.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MaxWait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MaxWait, D::Error> {
        let either = Either { word: Some("none"), expected: "a duration, \"none\" or a distribution" };
        // As a choice, not as any value: only so is it an error to name two distributions.
        deserializer.deserialize_enum("MaxWait", &[], either).map(MaxWait)
    }
}

/// An alternative whose name has been read already.
struct Named<V> {
    name: String,
    variant: V,
}

impl<'de, V: VariantAccess<'de>> EnumAccess<'de> for Named<V> {
    type Error = V::Error;
    type Variant = V;
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, V), V::Error> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self.variant))
    }
}

impl DistributionChoice {
    /// As the engine knows it.
    pub fn build(&self) -> Distribution {
        match self {
            DistributionChoice::Constant(duration) => Distribution::Constant(duration.0),
            DistributionChoice::Exponential(Exponential { mean }) => Distribution::Exponential { mean: mean.0 },
            DistributionChoice::Uniform(Uniform { min, max }) => Distribution::Uniform { min: min.0, max: max.0 },
            DistributionChoice::Normal(Normal { mean, sd }) => Distribution::Normal { mean: mean.0, sd: sd.0 },
            DistributionChoice::Lognormal(lognormal) => lognormal.value.clone(),
            DistributionChoice::Pareto(Pareto { min, shape }) => {
                Distribution::Pareto { min: min.span(), shape: shape.0 }
            }
            DistributionChoice::Gamma(Gamma { mean, shape }) => Distribution::Gamma { mean: mean.0, shape: shape.0 },
            DistributionChoice::Weibull(Weibull { scale, shape }) => {
                Distribution::Weibull { scale: scale.0, shape: shape.0 }
            }
            DistributionChoice::Empirical(recorded) => {
                Distribution::Empirical(recorded.values.clone().expect("recorded files have been read"))
            }
            DistributionChoice::Mixture(Mixture(parts)) => {
                Distribution::Mixture(parts.iter().map(|part| (part.weight.0, part.distribution.build())).collect())
            }
        }
    }

    /// The recorded values in it, to be filled in.
    pub fn recorded(&mut self) -> Vec<&mut Recorded> {
        match self {
            DistributionChoice::Empirical(recorded) => vec![recorded],
            DistributionChoice::Mixture(Mixture(parts)) => {
                parts.iter_mut().flat_map(|part| part.distribution.recorded()).collect()
            }
            _ => Vec::new(),
        }
    }
}
