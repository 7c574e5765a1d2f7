//! Quantities at the border of the spec types: numbers inside, Kubernetes quantities such as `1500m` outside.

/// `Option<i64>` milli-units, rounded up as `MilliValue` does.
pub(super) mod milli {
    use plimsoll_quantity::Quantity;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::spec) fn serialize<S: Serializer>(value: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Quantity::from_milli).serialize(to)
    }

    pub(in crate::spec) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Quantity>::deserialize(from)?.map(|quantity| quantity.milli()))
    }
}

/// `i64` milli-units.
pub(super) mod milli_required {
    use plimsoll_quantity::Quantity;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::spec) fn serialize<S: Serializer>(milli: &i64, to: S) -> Result<S::Ok, S::Error> {
        Quantity::from_milli(*milli).serialize(to)
    }

    pub(in crate::spec) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        Ok(Quantity::deserialize(from)?.milli())
    }
}

/// `Option<f64>` fraction, used by `tolerance`.
pub(super) mod fraction {
    use plimsoll_quantity::Quantity;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::spec) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.serialize_str(&value.to_string()),
            None => to.serialize_none(),
        }
    }

    pub(in crate::spec) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Quantity>::deserialize(from)?.map(|quantity| quantity.approximate()))
    }
}
