//! Conditions of statements: an operator, a key, and the values to compare with.

use std::{borrow::Cow, net::IpAddr};

use crate::auth::AmzDate;

use super::{
    context::Request,
    key::Key,
    pattern::{ArnPattern, Case, Pattern, Syntax},
};

/// One condition; all of a statement must hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    operator: Operator,
    key: Key,
    operands: Vec<Operand>,
}

/// `ForAnyValue:StringNotLikeIfExists` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    quantifier: Option<Quantifier>,
    test: Test,
    negated: bool,
    if_exists: bool,
}

/// Which of a request's values must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Text(Case, Wildcards),
    Arn,
    Bool,
    Number(Order),
    Date(Order),
    Ip,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value of the policy, read as its operator reads it.
#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Text(Pattern, Case),
    Arn(ArnPattern),
    Bool(bool),
    Number(f64, Order),
    Date(i64, Order),
    Ip(Network),
}

impl Operator {
    /// The operator of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
            Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let base = rest.strip_suffix("IfExists");
        let (base, if_exists) = (base.unwrap_or(rest), base.is_some());
        let (test, negated) = Test::parse(base)?;
        // Whether a key is there has no sense where it is said to be.
        let is_plain = quantifier.is_none() && !if_exists;
        (test != Test::Null || is_plain).then_some(Self { quantifier, test, negated, if_exists })
    }

    /// Whether values of this key can be compared so.
    fn fits(self, key: &Key) -> bool {
        match self.test {
            Test::Text(..) => *key != Key::CurrentTime,
            Test::Arn => *key == Key::PrincipalArn || key.is_tag(),
            Test::Bool => *key == Key::SecureTransport || key.is_tag(),
            Test::Number(_) => *key == Key::EpochTime || key.is_tag(),
            Test::Date(_) => matches!(key, Key::CurrentTime | Key::EpochTime) || key.is_tag(),
            Test::Ip => *key == Key::SourceIp,
            Test::Null => true,
        }
    }

    fn holds_for_nothing(self) -> bool {
        match self.quantifier {
            _ if self.if_exists => true,
            Some(Quantifier::All) => true,
            Some(Quantifier::Any) => false,
            None => self.negated,
        }
    }
}

impl Test {
    /// The test of an operator, and whether the operator asks for its opposite.
    fn parse(name: &str) -> Option<(Self, bool)> {
        use Case::{Exact, Ignored};
        use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        use Wildcards::{No, Yes};
        Some(match name {
            "StringEquals" => (Self::Text(Exact, No), false),
            "StringNotEquals" => (Self::Text(Exact, No), true),
            "StringEqualsIgnoreCase" => (Self::Text(Ignored, No), false),
            "StringNotEqualsIgnoreCase" => (Self::Text(Ignored, No), true),
            "StringLike" => (Self::Text(Exact, Yes), false),
            "StringNotLike" => (Self::Text(Exact, Yes), true),
            "ArnEquals" | "ArnLike" => (Self::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Self::Arn, true),
            "Bool" => (Self::Bool, false),
            "NumericEquals" => (Self::Number(Equal), false),
            "NumericNotEquals" => (Self::Number(Equal), true),
            "NumericLessThan" => (Self::Number(Less), false),
            "NumericLessThanEquals" => (Self::Number(LessOrEqual), false),
            "NumericGreaterThan" => (Self::Number(Greater), false),
            "NumericGreaterThanEquals" => (Self::Number(GreaterOrEqual), false),
            "DateEquals" => (Self::Date(Equal), false),
            "DateNotEquals" => (Self::Date(Equal), true),
            "DateLessThan" => (Self::Date(Less), false),
            "DateLessThanEquals" => (Self::Date(LessOrEqual), false),
            "DateGreaterThan" => (Self::Date(Greater), false),
            "DateGreaterThanEquals" => (Self::Date(GreaterOrEqual), false),
            "IpAddress" => (Self::Ip, false),
            "NotIpAddress" => (Self::Ip, true),
            "Null" => (Self::Null, false),
            _ => return None,
        })
    }
}

impl Condition {
    /// A condition on a key, with the values as they are written.
    ///
    /// # Errors
    /// A sentence, when the operator can't compare values of this key, or one of these.
    pub(super) fn new(
        operator: Operator,
        key: Key,
        values: &[String],
        variables: bool,
    ) -> Result<Self, String> {
        if !operator.fits(&key) {
            return Err("this operator doesn't compare values of this key".to_owned());
        }
        if key.is_set() && operator.quantifier.is_none() && operator.test != Test::Null {
            return Err("this key takes ForAnyValue: or ForAllValues: before the operator".into());
        }
        if operator.test == Test::Null && values.len() != 1 {
            return Err("Null takes one value, true or false".to_owned());
        }
        let operand = |value: &String| Operand::parse(operator.test, value, variables);
        let operands = values.iter().map(operand).collect::<Result<_, _>>()?;
        Ok(Self { operator, key, operands })
    }

    /// Whether the request is as the condition says.
    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        let values = request.values(&self.key);
        if self.operator.test == Test::Null {
            return self.operands.iter().all(|wanted| *wanted == Operand::Bool(values.is_empty()));
        }
        if values.is_empty() {
            return self.operator.holds_for_nothing();
        }
        // Once for all values: what a variable stands for is sought among the tags of the request.
        let longest = values.iter().map(|value| value.len()).max().unwrap_or_default();
        let operands = self.operands.iter().filter_map(|o| o.resolved(request, longest));
        let operands: Vec<_> = operands.collect();
        let equals = |value: &str| operands.iter().any(|operand| operand.compares(value, request));
        let mut passed = values.iter().map(|value| equals(value) != self.operator.negated);
        match self.operator.quantifier {
            Some(Quantifier::All) => passed.all(|passed| passed),
            Some(Quantifier::Any) | None => passed.any(|passed| passed),
        }
    }
}

impl Operand {
    fn parse(test: Test, value: &str, variables: bool) -> Result<Self, String> {
        let syntax = |wildcards| Syntax { wildcards, variables };
        Ok(match test {
            Test::Text(case, wildcards) => {
                Self::Text(Pattern::parse(value, syntax(wildcards == Wildcards::Yes))?, case)
            }
            Test::Arn => Self::Arn(ArnPattern::parse(value, syntax(true))?),
            Test::Bool | Test::Null => Self::Bool(
                boolean(value).ok_or_else(|| format!("{value} is neither true nor false"))?,
            ),
            Test::Number(order) => Self::Number(
                number(value).ok_or_else(|| format!("{value} is not a number"))?,
                order,
            ),
            Test::Date(order) => Self::Date(date(value).ok_or_else(|| not_a_date(value))?, order),
            Test::Ip => Self::Ip(Network::parse(value).ok_or_else(|| not_an_address(value))?),
        })
    }

    /// This one as it is compared in this request, if it can be like a value of at most `longest`
    /// bytes: texts without variables. Keys of ARNs have one value only.
    fn resolved(&self, request: &Request<'_>, longest: usize) -> Option<Cow<'_, Self>> {
        let Self::Text(pattern, case) = self else { return Some(Cow::Borrowed(self)) };
        Some(match pattern.resolved(request, longest)? {
            Cow::Borrowed(_) => Cow::Borrowed(self),
            Cow::Owned(pattern) => Cow::Owned(Self::Text(pattern, *case)),
        })
    }

    /// Whether a value of the request agrees with this one; one that can't be read doesn't.
    fn compares(&self, value: &str, request: &Request<'_>) -> bool {
        match self {
            Self::Text(pattern, case) => pattern.is_of(value, *case),
            Self::Arn(pattern) => pattern.matches(value, request),
            Self::Bool(wanted) => boolean(value) == Some(*wanted),
            Self::Number(wanted, order) => {
                number(value).is_some_and(|value| order.holds(&value, wanted))
            }
            Self::Date(wanted, order) => {
                date(value).is_some_and(|value| order.holds(&value, wanted))
            }
            Self::Ip(network) => value.parse().is_ok_and(|address| network.contains(address)),
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date as seconds since the epoch.
fn date(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) {
        return text.parse().ok();
    }
    let day = || AmzDate::parse_extended(&format!("{text}T00:00:00Z"));
    AmzDate::parse_extended(text).or_else(day).map(|date| date.seconds())
}

fn not_a_date(text: &str) -> String {
    format!("{text} is not a date such as 2030-01-31T12:00:00Z, 2030-01-31, or seconds since 1970")
}

fn not_an_address(text: &str) -> String {
    format!("{text} is not an address or a range such as 203.0.113.0/24 or 2001:db8::/32")
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |prefix: &str| prefix.bytes().all(|c| c.is_ascii_digit());
        let prefix = match prefix {
            Some(prefix) => is_number(prefix).then(|| prefix.parse().ok())??,
            None => bits,
        };
        (prefix <= bits).then(|| Self { address, prefix }.canonical())
    }

    /// IPv4 in the form of IPv6 is what it is in addresses that requests come from, too: IPv4.
    fn canonical(self) -> Self {
        match (self.address.to_canonical(), self.prefix.checked_sub(96)) {
            (address @ IpAddr::V4(_), Some(prefix)) if self.address.is_ipv6() => {
                Self { address, prefix }
            }
            _ => self,
        }
    }

    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}
