//! What a function stands on: AWS, its settings, the time, new ids. Built once per process, by `run` on Lambda and by
//! hand in the local stack and in tests. Nothing after start-up reads the process's environment.

use crate::aws::{Aws, AwsStartError};
use crate::clock::Clock;
use crate::environment::{Environment, EnvironmentError};
use crate::ids::Ids;

/// Everything a function needs from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    /// The AWS clients' configuration.
    pub aws: Aws,
    /// The settings given to the function.
    pub env: Environment,
    /// The time.
    pub clock: Clock,
    /// New ids.
    pub ids: Ids,
}

impl Host {
    /// The platform that Lambda gives: settings and credentials from the environment, the system's clock.
    ///
    /// # Errors
    /// When a variable that Lambda always sets is missing, or one is broken.
    pub fn from_process() -> Result<Self, AwsStartError> {
        let env = Environment::from_process();
        Ok(Self { aws: Aws::from_env(&env)?, env, clock: Clock::System, ids: Ids::random() })
    }
}

impl Host {
    /// The governance table, by the variable that every function has.
    ///
    /// # Errors
    /// When `GOVERNANCE_TABLE` is not set.
    pub fn store(&self) -> Result<store::Store, EnvironmentError> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws.config());
        Ok(store::Store::new(client, self.env.require("GOVERNANCE_TABLE")?.to_owned()))
    }
}
