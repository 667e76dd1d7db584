"""
    Runner(problem, u, w, options = nothing, estimator = nothing)
    resume(problem, path)

A bilevel loop with its state, which begins at (u, w), or goes on with a run that [`save`](@ref) wrote. See [`run_options`](@ref)
and [`estimator`](@ref).
"""
mutable struct Runner{T} <: Handle{T}
    pointer::Ptr{ABI.blo_runner{T}}
    problem::Problem{T}
    Runner(create::Function, problem::Problem{T}) where {T} =
        finalizer(close, new{T}(created(create, ABI.blo_runner{T}), problem))
end

function Runner(problem::Problem{T}, u, w, options = nothing, estimator = nothing) where {T}
    at_u, at_w, run, solve = input("u", u, T), input("w", w, T), settings(options), how(estimator)
    return Runner(problem) do place
        ABI.blo_runner_create(T, problem, run, solve, at_u, length(at_u), at_w, length(at_w), place)
    end
end

"    resume(problem, path)\n\nGoes on with a run that [`save`](@ref) wrote: on the same build and machine with the same bits."
resume(problem::Problem{T}, path) where {T} = Runner(place -> ABI.blo_runner_resume(T, problem, path, place), problem)

destroy(::Runner{T}, place) where {T} = ABI.blo_runner_destroy(T, place)

Base.show(io::IO, run::Runner) = print(io, "Blo.Runner(", run.problem, isopen(run) ? ")" : ", closed)")

settings(options::RunOptions) = Ref(options)
settings(::Nothing) = C_NULL

mutable struct Monitor{F}
    look::F
end

function monitor_callback(progress::Ptr{ABI.blo_progress{T}}, monitor::Monitor) where {T}
    return guarded() do
        now = unsafe_load(progress)
        seen = (step = now.step, outer_loss = now.outer_loss, norm_hypergradient = now.norm_hypergradient,
            u = array(now.u, now.n_outer), w = array(now.w, now.n_inner), hypergradient = array(now.hypergradient, now.n_outer))
        answer = monitor.look(seen)
        answer === nothing || answer isa Bool ||
            throw(ArgumentError("the monitor returned $(typeof(answer)), expected false (stop), true or nothing (go on)"))
        Int32(answer === false)
    end
end

watch(::Type{T}, ::Monitor{F}) where {T,F} = ABI.@blo_monitor_fn(T, Ref{Monitor{F}}, monitor_callback)

"""
    run!([monitor,] runner; trace = nothing, trace_every = 1)

Runs to the end and returns the [`Outcome`](@ref); see [`ending`](@ref). After an error u and w are those of the last whole step; a run
that was stopped goes on with the next call.

- `monitor(progress)` is called after each hypergradient with `step`, `outer_loss`, `norm_hypergradient`, `u`, `w` and
  `hypergradient`, vectors of the library that may be kept by `copy` only. `false` stops the run; `true` or `nothing` go on. What
  it throws comes out of `run!`
- `trace`: a vector of [`TraceRow`](@ref); it gets a row every `trace_every` steps, as many as its length, and then only these

```julia
Blo.run!(runner) do now
    now.outer_loss > 1e-3 # until then
end
```
"""
run!(runner::Runner; trace = nothing, trace_every = 1) = run!(nothing, runner; trace = trace, trace_every = trace_every)

function run!(monitor, runner::Runner{T}; trace = nothing, trace_every = 1) where {T}
    looking = Monitor(monitor)
    look = monitor === nothing ? C_NULL : watch(T, looking)
    outcome = Ref(sized(Outcome))
    capacity = trace === nothing ? 0 : length(trace)
    rows = capacity == 0 ? C_NULL : output("trace", trace, TraceRow, capacity)
    every = trace === nothing ? 0 : trace_every
    GC.@preserve looking begin
        data = pointer_from_objref(looking)
        call(() -> ABI.blo_runner_run(T, runner, look, data, every, rows, capacity, outcome))
    end
    trace === nothing || resize!(trace, outcome[].trace_rows)
    return outcome[]
end

"""
    step!(runner; hypergradient, report)

One outer step: look ahead, hypergradient, u, w. `hypergradient` and `report`, where given, get those of the step. Returns false if
something overflowed or grew without bound, so that u stayed.
"""
function step!(runner::Runner{T}; hypergradient = nothing, report = nothing) where {T}
    diverged = Ref{Int32}(0)
    out = output("hypergradient", hypergradient, T, runner.problem.n_outer)
    call(() -> ABI.blo_runner_step(T, runner, out, optional(report), diverged))
    return diverged[] == 0
end

"""
    state(runner)

Where a run is: copies of `u` and `w`, and the `steps` made.
"""
function state(runner::Runner{T}) where {T}
    u, w, steps = Vector{T}(undef, runner.problem.n_outer), Vector{T}(undef, runner.problem.n_inner), Ref(0)
    call(() -> ABI.blo_runner_state(T, runner, u, length(u), w, length(w), steps))
    return (u = u, w = w, steps = steps[])
end

"""
    best(runner)

The point of the smallest F so far, with `keep_best = 1`: `u`, `w`, `outer_loss`, and the `step`s before it.
"""
function best(runner::Runner{T}) where {T}
    u, w = Vector{T}(undef, runner.problem.n_outer), Vector{T}(undef, runner.problem.n_inner)
    loss, step = Ref(NaN), Ref(0)
    call(() -> ABI.blo_runner_best(T, runner, u, length(u), w, length(w), loss, step))
    return (u = u, w = w, outer_loss = loss[], step = step[])
end

"    save(runner, path)\n\nSaves a whole run, without the problem, for [`resume`](@ref). A crash leaves the old file or the new one."
function save(runner::Runner{T}, path) where {T}
    call(() -> ABI.blo_runner_save(T, runner, path))
    return path
end

function reserve(runner::Runner{T}) where {T}
    bytes = Ref(0)
    call(() -> ABI.blo_runner_reserve(T, runner, bytes))
    return bytes[]
end
