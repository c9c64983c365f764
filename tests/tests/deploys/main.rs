//! Drills: the built program ships by every driver and in every strategy, over real servers, and is killed in the middle.

mod ansible;
mod balancers;
mod drained;
mod github;
mod interrupted;
mod killed;
mod queue;
mod ssh;
