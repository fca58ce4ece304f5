//! What Kinesis' clients want of other services: a place for the metrics of the KCL and the KPL,
//! as CloudWatch has it, and STS' word on who is calling.
//!
//! [`wire`] reads and writes the three protocols that SDKs speak to these two services; the
//! operations see [`tree::Tree`]s and know nothing of them. Nothing here outlives the process.

pub mod cloudwatch;
pub mod fault;
pub mod sts;
pub mod tree;
pub mod wire;

use millpond_api::types::Timestamp;
use millpond_shards::stream::Namespace;

use crate::{
    auth::{Caller, Service},
    companions::{
        cloudwatch::MetricStore,
        fault::Fault,
        tree::{Place, Tree},
    },
    ops::Origin,
    policy::{Request, Tagging, judge},
};

/// An operation of a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// CloudWatch: keeps values of metrics.
    PutMetricData,
    /// CloudWatch: tells what the values of metrics come to.
    GetMetricData,
    /// CloudWatch: tells which metrics there are.
    ListMetrics,
    /// STS: tells who is calling.
    GetCallerIdentity,
}

impl Operation {
    const ALL: [Self; 4] =
        [Self::PutMetricData, Self::GetMetricData, Self::ListMetrics, Self::GetCallerIdentity];

    /// The operation of this name, if the service has it here.
    #[must_use]
    pub fn find(service: Service, name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|operation| operation.service() == service && operation.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PutMetricData => "PutMetricData",
            Self::GetMetricData => "GetMetricData",
            Self::ListMetrics => "ListMetrics",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    const fn service(self) -> Service {
        match self {
            Self::GetCallerIdentity => Service::Sts,
            _ => Service::CloudWatch,
        }
    }

    /// Does what the call asks for; the output, if the operation has one.
    ///
    /// # Errors
    /// When the caller may not use it, or the input can't be.
    pub fn serve(self, call: &Call<'_>) -> Result<Option<Tree>, Fault> {
        let input = Place::of(call.input);
        if self.service() == Service::CloudWatch {
            call.permit(&format!("cloudwatch:{}", self.name()))?;
        }
        match self {
            Self::PutMetricData => cloudwatch::put_metric_data(call, &input).map(|()| None),
            Self::GetMetricData => cloudwatch::get_metric_data(call, &input).map(Some),
            Self::ListMetrics => cloudwatch::list_metrics(call, &input).map(Some),
            Self::GetCallerIdentity => Ok(Some(sts::caller_identity(call))),
        }
    }
}

/// One call of a companion's operation.
pub struct Call<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Where the call came from.
    pub origin: Option<Origin>,
    /// Service time.
    pub now: Timestamp,
    /// Where metrics are.
    pub metrics: &'a MetricStore,
    /// What the call says.
    pub input: &'a Tree,
}

impl Call<'_> {
    /// Whose metrics the call is about.
    fn owner(&self) -> Namespace {
        Namespace { account: self.caller.account, region: self.caller.region.clone() }
    }

    /// Checks that the caller may do this, which is about no resource.
    ///
    /// # Errors
    /// When the caller has policies, and they don't allow it.
    fn permit(&self, action: &str) -> Result<(), Fault> {
        let caller = self.caller;
        let request = Request {
            principal: &caller.principal(),
            action,
            resource: "*",
            owner: caller.account,
            region: caller.region.as_str(),
            source_ip: self.origin.map(|origin| origin.address),
            is_secure: self.origin.is_some_and(|origin| origin.is_secure),
            now: self.now,
            resource_tags: None,
            tagging: Tagging::Nothing,
        };
        judge(&request, caller.policies(), None)
            .map_err(|denial| Fault::access_denied(&request, denial))
    }
}
