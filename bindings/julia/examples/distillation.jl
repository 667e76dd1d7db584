# Two learned points train a classifier of forty points on two circles' arcs; as bindings/c/examples/distillation.c.
include("common.jl")

function main()
    sides = [isodd(i) ? 1.0 : -1.0 for i in 0:39]
    arc = [(i ÷ 2) / 10.0 - 1.0 for i in 0:39]
    x = permutedims([arc (sides .* (1.0 .- 0.5 .* arc .* arc) .+ 0.25 .* arc)])
    targets = permutedims([sides .< 0 sides .> 0]) .+ 0.0
    problem = Blo.network([2, 8, 2], Blo.Examples{Float64}(nothing, [1.0 0; 0 1]; features = 2), Blo.Examples(x, targets);
        activation = :tanh, l2 = 0.0078125)
    # Weights without a random number generator, so that everybody has the same.
    w = [((i * 37) % 17) / 8.0 - 1.0 for i in 0:problem.n_inner-1]
    points = [0.5 -0.5; -0.25 0.25]
    neumann = Blo.estimator(:neumann; terms = 10, alpha = 0.25, on_growth = :continue)
    exact("hypergradient", Blo.hypergradient(Blo.Workspace(problem), points, w, neumann))

    # The loop: cold starts from random weights, so that the two points have to teach everything.
    options = Blo.run_options(inner = :optimizer, inner_rule = Blo.rule(:descent; step = 0.25), inner_steps = 100,
        outer_rule = Blo.rule(:adam; step = 0.05), outer_steps = 400, keep_best = true)
    runner = Blo.Runner(problem, points, Blo.network_initial(problem), options, neumann)
    Blo.run!(runner)
    best = Blo.best(runner)
    out = Blo.network_predict(problem, best.w, x)
    right = count((out[2, :] .> out[1, :]) .== (sides .> 0))
    @printf("F = %.4f; points (%.3f, %.3f) and (%.3f, %.3f); %d of 40 right\n", best.outer_loss, best.u..., right)
    exit(right < 36 ? 1 : 0)
end

main()
