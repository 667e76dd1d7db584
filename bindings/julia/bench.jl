# What the package costs over the C function: a hypergradient at 20 parameters, and a warm step of a network that learns two points for
# rings. Interleaved, medians. julia --project=bindings/julia bindings/julia/bench.jl
import Blo
using Printf
const ABI = Blo.ABI

median(x) = sort(x)[(end+1)÷2]

# Nanoseconds a call of the first, and how many more the others take: medians of rounds in which all take turns, so that a busy machine
# slows all of them alike.
function measure(count, rounds, bodies...)
    times = [Float64[] for _ in bodies]
    for round in 0:rounds, (body, times) in zip(bodies, times)
        start = time_ns()
        for _ in 1:count
            body()
        end
        round > 0 && push!(times, (time_ns() - start) / count)
    end
    return (median(times[1]), (median(more .- times[1]) for more in times[2:end])...)
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
    c, in_place, new = measure(1000, 401, plain, () -> Blo.hypergradient!(g, workspace, u, w, how), () -> Blo.hypergradient(workspace, u, w, how))
    @printf("hypergradient, 20 parameters, K = %d: C %.0f ns, hypergradient! +%.0f ns, hypergradient +%.0f ns\n", terms, c, in_place, new)
end

# Functions of the caller's: as the package calls them, and as C would, by pointers alone.
const H = [i == j ? 2.0 : 1 / (i + j)^2 for i in 1:20, j in 1:20]
const calls = Ref(0)

function multiply(out, v)
    calls[] += 1
    @inbounds for i in 1:20
        sum = 0.0
        for j in 1:20
            sum += H[j, i] * v[j]
        end
        out[i] = sum
    end
end

struct Raw
    at::Ptr{Float64}
end
Base.getindex(x::Raw, i) = unsafe_load(x.at, i)
Base.setindex!(x::Raw, value, i) = unsafe_store!(x.at, value, i)

const D = Ptr{Float64}
raw_inner(m::Int64, n::Int64, u::D, w::D, value::D, g::D, ::Ptr{Cvoid}) = (multiply(Raw(g), Raw(w)); unsafe_store!(value, 0.0); Int32(0))
raw_outer(m::Int64, n::Int64, u::D, w::D, value::D, gu::D, gw::D, ::Ptr{Cvoid}) =
    (multiply(Raw(gw), Raw(w)); unsafe_store!(value, 0.0); Int32(0))
raw_product(m::Int64, n::Int64, u::D, w::D, v::D, out::D, ::Ptr{Cvoid}) = (multiply(Raw(out), Raw(v)); Int32(0))

function own()
    n = 20
    table = Blo.sized(ABI.blo_callbacks{Float64}; inner = ABI.@blo_inner_fn(Float64, Ptr{Cvoid}, raw_inner),
        outer = ABI.@blo_outer_fn(Float64, Ptr{Cvoid}, raw_outer), hvp = ABI.@blo_product_fn(Float64, Ptr{Cvoid}, raw_product),
        mixed_vjp = ABI.@blo_product_fn(Float64, Ptr{Cvoid}, raw_product))
    raw = Blo.Problem{Float64}(place -> ABI.blo_problem_create_callbacks(Float64, n, n, Ref(table), C_NULL, place))
    julia = Blo.callbacks(Float64, n, n; inner = (g, u, w) -> (multiply(g, w); 0.0), outer = (gu, gw, u, w) -> (multiply(gw, w); 0.0),
        hvp = (out, u, w, v) -> multiply(out, v), mixed_vjp = (out, u, w, v) -> multiply(out, v))
    u, w, g = collect(1.0:n), collect(n:-1.0:1), [zeros(n), zeros(n)]
    how = Blo.estimator(:neumann; terms = 10, alpha = 0.1)
    options, at = Ref(how), [Blo.Workspace(raw), Blo.Workspace(julia)]
    plain() = ABI.blo_hypergradient(Float64, at[1], options, u, n, w, n, g[1], C_NULL, C_NULL)
    ours() = Blo.hypergradient!(g[2], at[2], u, w, how)
    ours()
    count = calls[]
    plain() == 0 && g[1] == g[2] || error("the two ways differ")
    c, package = measure(500, 401, plain, ours)
    @printf("the same of 20 x 20 functions in Julia, K = 10: pointers %.0f ns, package +%.0f ns, %.0f ns for each of %d callbacks\n", c, package,
        package / count, count)
end

function ring(T)
    angle(i) = 2π * i / 100
    x = T[(i <= 100 ? 1 : 2) * f(angle(i)) for f in (cos, sin), i in 1:200]
    t = T[(i <= 100) == (c == 1) for c in 1:2, i in 1:200]
    problem = Blo.network([2, 200, 200, 200, 2], Blo.Examples{T}(nothing, T[1 0; 0 1]; features = 2), Blo.Examples(x, t))
    options = Blo.run_options(start = :warm, inner = :optimizer, inner_steps = 1, inner_rule = Blo.rule(:descent; step = 1e-3),
        outer_rule = Blo.rule(:adam; step = 1e-2))
    how = Blo.estimator(:unrolled; steps = 1, rule = Blo.rule(:descent; step = 1e-3))
    runner, diverged = Blo.Runner(problem, T[1 -1; 0 0], Blo.network_initial(problem), options, how), Ref{Int32}(0)
    # Of one runner, since where its memory lies matters more.
    c, julia = measure(1, 301, () -> ABI.blo_runner_step(T, runner, C_NULL, C_NULL, diverged), () -> Blo.step!(runner))
    @printf("warm step of rings, 2x200x200x200x2, %s: C %.1f µs, step! +%.1f µs, %.1f %%\n", T, c / 1e3, julia / 1e3, 100julia / c)
end

small(0)
small(10)
own()
ring(Float32)
ring(Float64)
