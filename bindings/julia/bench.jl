# What the package costs over the C function: a hypergradient at 20 parameters, and a warm step of a network that learns two points for
# rings. Interleaved, medians. julia --project=bindings/julia bindings/julia/bench.jl
import Blo
using Printf
const ABI = Blo.ABI

# Nanoseconds a call, by the median of rounds in which all take turns.
function measure(count, rounds, bodies...)
    times = [Float64[] for _ in bodies]
    for round in 0:rounds, (body, times) in zip(bodies, times)
        start = time_ns()
        for _ in 1:count
            body()
        end
        round > 0 && push!(times, (time_ns() - start) / count)
    end
    return [sort(times)[(end+1)÷2] for times in times]
end

function small(terms)
    n = 20
    A = [i == j ? 2.0 : 1 / (i + j)^2 for i in 1:n, j in 1:n]
    problem = Blo.quadratic(A, A, A)
    workspace, u, w, g = Blo.Workspace(problem), collect(1.0:n), collect(n:-1.0:1), zeros(n)
    how = Blo.estimator(:neumann; terms = terms, alpha = 0.1)
    options = Ref(how)
    plain() = ABI.blo_hypergradient(Float64, workspace, options, u, n, w, n, g, C_NULL, C_NULL)
    plain() == 0 || error("the call failed")
    c, in_place, new = measure(20_000, 15, plain, () -> Blo.hypergradient!(g, workspace, u, w, how), () -> Blo.hypergradient(workspace, u, w, how))
    @printf("hypergradient, 20 parameters, K = %d: C %.0f ns, hypergradient! +%.0f ns, hypergradient +%.0f ns\n", terms, c, in_place - c, new - c)
end

# The same with functions in Julia, beside the same functions called from Julia.
function own()
    n = 20
    H, M = [i == j ? 2.0 : 1 / (i + j)^2 for i in 1:n, j in 1:n], [1 / (i + 2j) for i in 1:n, j in 1:n]
    calls = Ref(0)
    mul(out, A, v) = (calls[] += 1; @inbounds for i in 1:20; s = 0.0; for j in 1:20; s += A[j, i] * v[j]; end; out[i] = s; end)
    inner(g, u, w) = (mul(g, H, w); 0.0)
    outer(gu, gw, u, w) = (calls[] += 1; gw .= w; 0.0)
    hvp(out, u, w, v) = mul(out, H, v)
    mixed_vjp(out, u, w, v) = mul(out, M, v)
    problem = Blo.callbacks(Float64, n, n; inner = inner, outer = outer, hvp = hvp, mixed_vjp = mixed_vjp)
    workspace, u, w, g = Blo.Workspace(problem), collect(1.0:n), collect(n:-1.0:1), zeros(n)
    how = Blo.estimator(:neumann; terms = 10, alpha = 0.1)
    Blo.hypergradient!(g, workspace, u, w, how)
    count = calls[]
    ours() = Blo.hypergradient!(g, workspace, u, w, how)
    alone() = (outer(u, g, u, w); for _ in 1:count-1; hvp(g, u, w, w); end)
    whole, functions = measure(5_000, 15, ours, alone)
    @printf("hypergradient of functions in Julia, 20 parameters, K = 10: %.0f ns, of which %.0f ns in its %d functions\n", whole, functions, count)
end

function ring(T)
    angle(i) = 2π * i / 100
    x = T[(i <= 100 ? 1 : 2) * f(angle(i)) for f in (cos, sin), i in 1:200]
    t = T[(i <= 100) == (c == 1) for c in 1:2, i in 1:200]
    problem = Blo.network([2, 200, 200, 200, 2], Blo.Examples{T}(nothing, T[1 0; 0 1]; features = 2), Blo.Examples(x, t))
    options = Blo.run_options(start = :warm, inner = :optimizer, inner_steps = 1, inner_rule = Blo.rule(:descent; step = 1e-3),
        outer_rule = Blo.rule(:adam; step = 1e-2))
    how = Blo.estimator(:unrolled; steps = 1, rule = Blo.rule(:descent; step = 1e-3))
    make() = Blo.Runner(problem, T[1 -1; 0 0], Blo.network_initial(problem), options, how)
    one, two, diverged = make(), make(), Ref{Int32}(0)
    c, julia = measure(20, 15, () -> ABI.blo_runner_step(T, one, C_NULL, C_NULL, diverged), () -> Blo.step!(two))
    @printf("warm step of rings, 2x200x200x200x2, %s: C %.1f µs, step! %.1f µs, ratio %.3f\n", T, c / 1e3, julia / 1e3, julia / c)
    Blo.state(one) == Blo.state(two) || error("the two ways differ")
end

small(0)
small(10)
own()
ring(Float32)
ring(Float64)
