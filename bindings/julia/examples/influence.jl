# Wrong labels found by influence: every tenth label is flipped; as bindings/c/examples/influence.c.
include("common.jl")

function main(path)
    train, validation = read_table(path)
    flipped = 1:10:train.rows
    train.targets[flipped] .= 1 .- train.targets[flipped]
    problem = Blo.regression(train, validation; loss = :logistic, outer = :raw_l2)
    workspace, u = Blo.Workspace(problem), [0.03125]
    w, gradient = zeros(problem.n_inner), zeros(problem.n_inner)
    optimizer = Blo.Optimizer{Float64}(Blo.rule(:descent; step = 0.25), length(w))
    for _ in 1:2000
        Blo.inner(workspace, u, w; gradient = gradient)
        Blo.step!(optimizer, w, gradient)
    end
    scores = Blo.influence(workspace, u, w)
    exact("influence", scores[1:5])
    worst = partialsortperm(scores, 1:length(flipped); rev = true)
    found = count(in(flipped), worst)
    println("$(length(flipped)) labels are wrong; of the $(length(flipped)) most harmful examples $found are among them")
    exit(2found < length(flipped) ? 1 : 0)
end

main(isempty(ARGS) ? joinpath(@__DIR__, "..", "..", "c", "examples", "breast_cancer.csv") : ARGS[1])
