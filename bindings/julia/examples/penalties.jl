# The penalty of each feature of a logistic regression, learned by L-BFGS-B; as bindings/c/examples/penalties.c.
include("common.jl")

function main(path)
    train, validation = read_table(path)
    problem = Blo.regression(train, validation; loss = :logistic, outer = :log_l2, group = :feature)
    n = problem.n_inner
    u, w = fill(-2.0, n), [(i * 7 % 5 - 2) / 8 for i in 0:n-1]
    cg = Blo.estimator(:cg; iterations = 100, tolerance = 1e-10)
    exact("hypergradient", Blo.hypergradient(Blo.Workspace(problem), u, w, cg))

    options = Blo.run_options(inner = :optimizer, inner_rule = Blo.rule(:descent; step = 0.25), inner_steps = 20000,
        inner_tolerance = 1e-8, method = :lbfgsb, lower = -12, upper = 4, outer_steps = 40, outer_tolerance = 1e-4, keep_best = true)
    runner = Blo.Runner(problem, u, zeros(n), options, cg)
    Blo.step!(runner)
    before = Blo.best(runner).outer_loss
    outcome = Blo.run!(runner)
    after = Blo.best(runner).outer_loss
    @printf("validation loss %.4f with equal penalties, %.4f with learned ones, after %d steps\n", before, after, outcome.steps)
    exit(after < before ? 0 : 1)
end

main(isempty(ARGS) ? joinpath(@__DIR__, "..", "..", "c", "examples", "breast_cancer.csv") : ARGS[1])
