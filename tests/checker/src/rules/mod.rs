//! One invariant, one file. Every rule reads [`crate::facts::Facts`] and says what breaks it, with the lines that show it.

mod batch;
mod cause;
mod converged;
mod cure;
mod delay;
mod deleted;
mod empty_consume;
mod expired;
mod fifo;
mod final_state;
mod granted_once;
mod growth;
mod heals;
mod in_order;
mod kept;
mod limits;
mod linearizable;
mod log_kept;
mod log_time;
mod monotonic;
mod not_found;
mod one_effect;
mod overdue;
mod position;
mod priority;
mod read_reflects;
mod real_time;
mod replay;
mod retry_chain;
mod spent;
mod timeout;
mod times;
mod turns;
mod unaltered;
mod woken;

use crate::rule::Rule;

/// All rules, in the order of reports.
pub(crate) const RULES: [Rule; 35] = [
    // The log is a linearization.
    real_time::RULE,
    position::RULE,
    log_time::RULE,
    replay::RULE,
    cause::RULE,
    // Jobs.
    kept::RULE,
    unaltered::RULE,
    times::RULE,
    batch::RULE,
    one_effect::RULE,
    granted_once::RULE,
    final_state::RULE,
    deleted::RULE,
    retry_chain::RULE,
    log_kept::RULE,
    // Order and time.
    fifo::RULE,
    priority::RULE,
    turns::RULE,
    in_order::RULE,
    limits::RULE,
    empty_consume::RULE,
    delay::RULE,
    timeout::RULE,
    expired::RULE,
    overdue::RULE,
    // What nobody should have to wait for, and what nobody asked for.
    woken::RULE,
    spent::RULE,
    growth::RULE,
    cure::RULE,
    // Reads and replicas.
    monotonic::RULE,
    read_reflects::RULE,
    linearizable::RULE,
    not_found::RULE,
    converged::RULE,
    heals::RULE,
];
