//! What an operator can ask of the loop.

use std::{sync::Arc, time::Instant};

use plimsoll_fleet::{Instance, InstanceId, State};
use plimsoll_scale::Time;
use plimsoll_stack::Stack;

use crate::{
    controller::{Controller, now_ms, retire},
    handle::{Command, Refusal, Reply},
    record::{Draft, Kind},
    service::Managed,
};

/// Most instances of one service that an operator may ask for: a slip of the finger must not start thousands of processes.
const MOST_BY_HAND: u32 = 500;

// === impl Controller ===

impl Controller {
    pub(crate) async fn obey(&mut self, command: Command) {
        match command {
            Command::Scale { service, replicas, reply } => answer(reply, self.scale(&service, replicas)),
            Command::Drain { instance, reply } => answer(reply, self.drain(&instance)),
            Command::Restart { target, reply } => answer(reply, self.restart(&target)),
            Command::Reload { stack, reply } => answer(reply, self.reload(*stack).await),
            Command::Shutdown { reply } => {
                self.shutdown().await;
                answer(reply, Ok(()));
            }
        }
    }

    fn scale(&mut self, name: &str, replicas: u32) -> Result<String, Refusal> {
        let known = self.known_services();
        let managed = self.services.get_mut(name).ok_or_else(|| unknown("service", name, &known))?;
        let (min, max) = managed.service.bounds();
        let scaled = managed.service.scaling.is_some();
        if scaled && !(min..=max).contains(&replicas) {
            return Err(Refusal::Invalid(format!(
                "`{name}` is scaled between {min} and {max}: {replicas} is outside. hint: change minReplicas or maxReplicas in the stack file and run `plimsoll reload`"
            )));
        }
        if replicas > MOST_BY_HAND {
            return Err(Refusal::Invalid(format!(
                "{replicas} instances are more than one machine can run. hint: ask for at most {MOST_BY_HAND}"
            )));
        }
        let from = std::mem::replace(&mut managed.memory.desired, replicas);
        self.record(
            Draft::event(Kind::Operator, name, format!("an operator asked for {replicas}"))
                .replicas(from, replicas),
        );
        self.remember();
        let note = if scaled { "; its scaling policy may change that at the next sync" } else { "" };
        Ok(format!("{name}: {from} -> {replicas}{note}"))
    }

    fn drain(&mut self, id: &str) -> Result<String, Refusal> {
        let (instance, managed) = self.find(id)?;
        if !managed.leaving.insert(instance.clone()) {
            return Ok(format!("{id} is leaving already"));
        }
        let drain = managed.spec.drain;
        let service = managed.spec.name.clone();
        tokio::spawn(retire(Arc::clone(&self.shared), instance, drain));
        self.record(Draft::event(Kind::Operator, &service, format!("an operator drained {id}")));
        Ok(format!(
            "{id} takes nothing new, finishes what it holds within {}s and is replaced",
            drain.as_secs()
        ))
    }

    fn restart(&mut self, target: &str) -> Result<String, Refusal> {
        let instances = self.shared.fleet.instances();
        if let Some(managed) = self.services.get_mut(target) {
            let own = instances.iter().filter(|it| it.service == target && it.state != State::Stopped);
            managed.outdated.extend(own.map(|instance| instance.id.clone()));
            let count = managed.outdated.len();
            self.record(Draft::event(
                Kind::Operator,
                target,
                format!("an operator asked to replace {count} instances"),
            ));
            return Ok(format!(
                "{target}: replacing {count} instances one by one, each new one ready before an old one goes"
            ));
        }
        let services = self.known_services();
        let found = self.find(target).map_err(|_| unknown_target(target, &services, &living(&instances)))?;
        let (instance, managed) = found;
        let service = managed.spec.name.clone();
        managed.outdated.insert(instance);
        self.record(Draft::event(Kind::Operator, &service, format!("an operator asked to replace {target}")));
        Ok(format!("{target} is replaced as soon as a new instance is ready"))
    }

    async fn reload(&mut self, stack: Stack) -> Result<Vec<String>, Refusal> {
        let fixed = |stack: &Stack| {
            (stack.name.clone(), stack.state.clone(), stack.admin.clone(), stack.queue.clone())
        };
        if fixed(&stack) != fixed(&self.stack) {
            return Err(Refusal::NotNow {
                message: "`name`, `state`, `admin` and `queue` cannot change while the stack runs".to_owned(),
                hint: "stop it with `plimsoll down` and start it again".to_owned(),
            });
        }
        let mut changes = Vec::new();
        match (&self.shared.gateway, &stack.gateway) {
            (Some(gateway), Some(wanted)) => {
                let policies = stack.services.iter().map(|(name, service)| (name.clone(), service.balance));
                let changed = self.stack.gateway.as_ref() != Some(wanted);
                gateway.apply(wanted, &policies.collect()).await.map_err(|error| Refusal::NotNow {
                    message: error.to_string(),
                    hint: "the old configuration stays in force".to_owned(),
                })?;
                if changed {
                    changes.push("gateway: new settings".to_owned());
                }
            }
            (None, None) => {}
            _ => {
                return Err(Refusal::NotNow {
                    message: "a gateway cannot be added or removed while the stack runs".to_owned(),
                    hint: "stop it with `plimsoll down` and start it again".to_owned(),
                });
            }
        }
        changes.extend(self.apply_services(&stack));
        self.stack = stack;
        if changes.is_empty() {
            changes.push("nothing changed".to_owned());
        }
        self.record(Draft::event(Kind::Operator, "", format!("reloaded: {}", changes.join("; "))));
        self.next_sync = Instant::now();
        Ok(changes)
    }

    fn apply_services(&mut self, stack: &Stack) -> Vec<String> {
        let mut changes = Vec::new();
        let gone: Vec<String> =
            self.services.keys().filter(|name| !stack.services.contains_key(*name)).cloned().collect();
        for name in gone {
            if let Some(mut managed) = self.services.remove(&name) {
                managed.memory.desired = 0;
                changes.push(format!("{name}: removed, its instances drain"));
                self.removed.insert(name, managed);
            }
        }
        let instances = self.shared.fleet.instances();
        for (name, service) in &stack.services {
            match self.services.get_mut(name) {
                None => {
                    self.removed.remove(name);
                    let now = Time(i64::try_from(now_ms()).unwrap_or(i64::MAX));
                    self.services.insert(name.clone(), Managed::new(name, service, &self.base, None, now));
                    changes.push(format!("{name}: added"));
                }
                Some(managed) if managed.service != *service => {
                    let own = instances.iter().filter(|instance| instance.service == *name);
                    changes.push(managed.change(service, &self.base, own));
                }
                Some(_) => {}
            }
        }
        changes
    }

    fn find(&mut self, id: &str) -> Result<(InstanceId, &mut Managed), Refusal> {
        let instances = self.shared.fleet.instances();
        let living = living(&instances);
        let parsed = InstanceId::parse(id).filter(|_| living.iter().any(|living| living == id));
        let instance = parsed.ok_or_else(|| unknown("instance", id, &living))?;
        match self.services.get_mut(instance.service()) {
            Some(managed) => Ok((instance, managed)),
            None => Err(unknown("instance", id, &living)),
        }
    }

    fn known_services(&self) -> Vec<String> {
        self.services.keys().cloned().collect()
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, Refusal>) {
    // Whoever asked may have gone away; the thing is done all the same.
    let _ = reply.send(result);
}

/// Names of those that have not stopped for good.
fn living(instances: &[Instance]) -> Vec<String> {
    let living = instances.iter().filter(|instance| instance.state != State::Stopped);
    living.map(|instance| instance.id.to_string()).collect()
}

fn unknown(what: &str, name: &str, known: &[String]) -> Refusal {
    Refusal::Unknown(format!("no {what} `{name}`{}; there are: {}", meant(name, known), list(known)))
}

/// For what takes both.
fn unknown_target(name: &str, services: &[String], instances: &[String]) -> Refusal {
    let all: Vec<String> = services.iter().chain(instances).cloned().collect();
    Refusal::Unknown(format!(
        "no service or instance `{name}`{}; services: {}; instances: {}",
        meant(name, &all),
        list(services),
        list(instances),
    ))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// `, did you mean ...?`, when a name is similar at all.
fn meant(name: &str, known: &[String]) -> String {
    plimsoll_stack::did_you_mean(name, known.iter().map(String::as_str))
        .map_or_else(String::new, |question| format!(", {question}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_target_is_answered_with_everything_there_is_and_what_may_be_meant() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (services, instances) = (names(&["api", "worker"]), names(&["api-1", "worker-7"]));
        let told = |name| unknown_target(name, &services, &instances).to_string();
        let all = "services: api, worker; instances: api-1, worker-7";
        assert_eq!(told("nope"), format!("no service or instance `nope`; {all}"));
        assert_eq!(told("wroker"), format!("no service or instance `wroker`, did you mean `worker`?; {all}"));
        assert!(unknown_target("nope", &services, &[]).to_string().ends_with("instances: none"));
    }
}
