# The README's problem: f = (w − u)²/2 + w²/2, so w* = u/2; F = (w − 1)²/2 is 0 at u = 2.
function one(T)
    return Blo.callbacks(T, 1, 1;
        inner = (g, u, w) -> (g[1] = 2w[1] - u[1]; (w[1] - u[1])^2 / 2 + w[1]^2 / 2),
        outer = (gu, gw, u, w) -> (gw[1] = w[1] - 1; (w[1] - 1)^2 / 2),
        hvp = (out, u, w, v) -> out[1] = 2v[1],
        mixed_vjp = (out, u, w, v) -> out[1] = -v[1])
end

cg = Blo.estimator(:cg; iterations = 5)
settings(; more...) = Blo.run_options(; inner = :optimizer, inner_rule = Blo.rule(:descent; step = 0.25), inner_steps = 30,
    outer_rule = Blo.rule(:descent; step = 1.0), outer_steps = 40, more...)

@testset "$T, $start" for T in (Float64, Float32), start in (:cold, :warm)
    runner = Blo.Runner(one(T), T[0], T[0], settings(; start = start), cg)
    steps = Int[]
    trace = Vector{Blo.TraceRow}(undef, 100)
    outcome = Blo.run!(runner; trace = trace, trace_every = 10) do now
        push!(steps, now.step)
        @test now.norm_hypergradient ≈ norm(now.hypergradient) && length(now.u) == length(now.w) == 1
        nothing
    end
    at = Blo.state(runner)
    @test Blo.ending(outcome) == :step_limit && outcome.steps == at.steps == 40
    # |1 − 1/4| per outer step.
    @test at.u[1] ≈ 2 - 2 * 0.75^40 atol = 1e-4
    @test steps == 0:40
    @test [row.step for row in trace] == [0, 10, 20, 30, 40]
    @test length(trace) == outcome.trace_rows && trace[1].outer_loss > trace[end].outer_loss
    @test trace[1].norm_u == 0
    short = Vector{Blo.TraceRow}(undef, 2)
    again = Blo.Runner(one(T), T[0], T[0], settings(; start = start), cg)
    @test Blo.run!(again; trace = short).trace_rows == 2 == length(short)
    @test Blo.state(again) == at
    # Step by step it is the same, with the hypergradient of each step.
    single, g, report = Blo.Runner(one(T), T[0], T[0], settings(; start = start), cg), zeros(T, 1), Blo.report()
    for step in 1:40
        @test Blo.step!(single; hypergradient = g, report = report)
        step == 1 && @test g[1] ≈ -0.5 rtol = 1e-4
        @test Blo.ending(report[]) in (:completed, :converged)
    end
    last = Blo.state(single)
    # The run ends with a hypergradient, for which a cold start solves once more.
    @test (last.u, last.steps) == (at.u, 40) && (start == :cold || last.w == at.w)
end

# Monitors stop a run, which goes on.
runner = Blo.Runner(one(Float64), [0.0], [0.0], settings(; keep_best = true), cg)
@test Blo.reserve(runner) > 0
@test Blo.ending(Blo.run!(now -> now.step < 7, runner)) == :stopped
reached = Blo.state(runner).steps
@test 7 <= reached <= 8
@test thrown(() -> Blo.run!(now -> now.step < 12 || error("in the monitor"), runner)) == ErrorException("in the monitor")
@test 12 <= Blo.state(runner).steps <= 13
@test thrown(() -> Blo.run!(now -> 0, runner)) isa ArgumentError
@test thrown(() -> Blo.run!(now -> (Blo.state(runner); true), runner)).status == Blo.ABI.BLO_ERR_BUSY
@test Blo.ending(Blo.run!(runner)) == :step_limit
lowest = Blo.best(runner)
@test lowest.step == 40 && lowest.outer_loss < 1e-8 && abs(lowest.u[1] - 2) < 1e-3
@test thrown(() -> Blo.best(Blo.Runner(one(Float64), [0.0], [0.0], settings(), cg))).status == Blo.ABI.BLO_ERR_INVALID

# An error of a function in the middle of a run: u and w are those of the last whole step.
count = Ref(0)
failing = Blo.callbacks(Float64, 1, 1; inner = (g, u, w) -> (g[1] = w[1] - u[1]; 0.0),
    outer = (gu, gw, u, w) -> ((count[] += 1) > 5 && error("sixth"); gw[1] = w[1] - 1; 0.0),
    hvp = (out, u, w, v) -> out[1] = v[1], mixed_vjp = (out, u, w, v) -> out[1] = -v[1])
runner = Blo.Runner(failing, [0.0], [0.0], settings(), cg)
@test thrown(() -> Blo.run!(runner)) == ErrorException("sixth")
@test Blo.state(runner).steps == 5

# Saved and resumed with the same bits.
mktempdir() do folder
    path = joinpath(folder, "run ä")
    whole = Blo.Runner(one(Float64), [0.0], [0.0], settings(; start = :warm), cg)
    part = Blo.Runner(one(Float64), [0.0], [0.0], settings(; start = :warm), cg)
    foreach(_ -> Blo.step!(whole), 1:9)
    foreach(_ -> Blo.step!(part), 1:4)
    Blo.save(part, path)
    resumed = Blo.resume(one(Float64), path)
    foreach(_ -> Blo.step!(resumed), 1:5)
    @test Blo.state(resumed) == Blo.state(whole)
    @test thrown(() -> Blo.resume(one(Float32), path)).status == Blo.ABI.BLO_ERR_FILE
    @test thrown(() -> Blo.resume(one(Float64), joinpath(folder, "none"))).status == Blo.ABI.BLO_ERR_FILE
end

@test thrown(() -> Blo.Runner(one(Float64), [0.0], [0.0, 1.0], settings(), cg)).status == Blo.ABI.BLO_ERR_SHAPE
diverging = Blo.Runner(one(Float64), [0.0], [1.0], settings(; inner_rule = Blo.rule(:descent; step = 1e9)), cg)
@test !Blo.step!(diverging) && Blo.state(diverging).u == [0.0]
