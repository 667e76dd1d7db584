# A cold and a warm loop on a problem of our own, which has many inner solutions; as bindings/c/examples/loops.c, to the last bit.
#
#   f(u, w) = |X w − u|²/2,  H = XᵀX of rank 3,  M = −Xᵀ;  F(w) = (zᵀw − 1)²/2
include("common.jl")

const X = [1 -1 1 -1 1; 1 0.5 0.25 0.125 0.0625; 1 1 1 1 1]
const Z = [1, 0.25, 0.0625, 0.015625, 0.00390625]

# Sums in the order of the example in C; elsewhere `mul!` is the thing to use.
apply!(out, v) = for i in eachindex(out)
    out[i] = foldl((sum, j) -> sum + X[i, j] * v[j], 1:5; init = 0.0)
end
apply_transpose!(out, r) = for j in eachindex(out)
    out[j] = foldl((sum, i) -> sum + X[i, j] * r[i], 1:3; init = 0.0)
end

function inner(gradient, u, w)
    r = zeros(3)
    apply!(r, w)
    r .-= u
    apply_transpose!(gradient, r)
    return foldl((sum, r) -> sum + 0.5 * r * r, r; init = 0.0)
end

function outer(gradient_u, gradient_w, u, w)
    r = foldl((sum, j) -> sum + Z[j] * w[j], 1:5; init = -1.0)
    gradient_w .= r .* Z
    return 0.5 * r * r
end

function hvp(out, u, w, v)
    r = zeros(3)
    apply!(r, v)
    apply_transpose!(out, r)
end

function main()
    problem = Blo.callbacks(Float64, 3, 5; inner = inner, outer = outer, hvp = hvp,
        mixed_vjp = (out, u, w, v) -> (apply!(out, v); out .= .-out),
        mixed_jvp = (out, u, w, du) -> (apply_transpose!(out, du); out .= .-out))
    u, w = [0.5, -0.25, 2], [0.125, 0.5, -0.5, 1, 0.25]
    check = Blo.check_derivatives(problem, u, w)
    println(check.text)
    neumann = Blo.estimator(:neumann; terms = 20, alpha = 0.125)
    exact("hypergradient", Blo.hypergradient(Blo.Workspace(problem), u, w, neumann))
    for start in (:cold, :warm)
        options = Blo.run_options(start = start, inner = :optimizer, inner_rule = Blo.rule(:descent; step = 0.125),
            inner_steps = start == :cold ? 400 : 2, outer_rule = Blo.rule(:descent; step = 0.25), outer_steps = 300)
        runner = Blo.Runner(problem, u, zeros(5), options, neumann)
        last = 0
        outcome = Blo.run!(now -> (last = now.step; true), runner)
        found = Blo.state(runner)
        @printf("%s: F = %.2e after %d steps, |w| = %.4f\n", start, outcome.outer_loss, last, sqrt(sum(abs2, found.w)))
        exact(start, found.u)
    end
    exit(check.verdict == :right ? 0 : 1)
end

main()
