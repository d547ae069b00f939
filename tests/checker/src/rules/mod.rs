//! One invariant, one file. Every rule reads [`crate::facts::Facts`] and says what breaks it, with the lines that show it.

mod batch;
mod cause;
mod converged;
mod counts;
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
mod operation_ends;
mod operations;
mod overdue;
mod paused;
mod position;
mod priority;
mod rates;
mod read_reflects;
mod real_time;
mod release;
mod replay;
mod retry_chain;
mod spent;
mod timeout;
mod times;
mod turns;
mod unaltered;
mod unique;
mod weights;
mod woken;

use crate::rule::Rule;

/// All rules, in the order of reports.
pub(crate) const RULES: [Rule; 43] = [
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
    release::RULE,
    operations::RULE,
    operation_ends::RULE,
    unique::RULE,
    log_kept::RULE,
    // Order and time.
    fifo::RULE,
    priority::RULE,
    turns::RULE,
    in_order::RULE,
    weights::RULE,
    limits::RULE,
    paused::RULE,
    rates::RULE,
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
    counts::RULE,
    heals::RULE,
];
