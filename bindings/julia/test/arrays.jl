rng = MersenneTwister(6)
A, _, _ = semidefinite(rng, 4, 4)
problem = Blo.quadratic(A, randn(rng, 4, 3), Matrix(1.0I, 4, 4))
workspace = Blo.Workspace(problem)
u, w = randn(rng, 3), randn(rng, 4)
expected = Blo.hypergradient(workspace, u, w)

# Contiguous arrays of any shape are themselves.
wide = randn(rng, 4, 3)
for x in (u, @view(wide[:, 2]), @view(wide[2:3, 1]), @view(wide[:, 2:3]), reshape(u, 1, 3), @view(wide[2:2, 2:2]), Float64[])
    @test Blo.input("x", x, Float64) === x
end
@test pointer(Blo.input("x", @view(wide[:, 2]), Float64)) == pointer(wide, 5)
# Others are copied in the order of their elements.
for x in (@view(wide[2, :]), @view(wide[2:3, :]), @view(u[3:-1:1]), 1.0:3.0, wide', Diagonal(u))
    @test Blo.input("x", x, Float64) !== x
    @test vec(Blo.input("x", x, Float64)) == vec(collect(x))
end
spread = zeros(6)
spread[1:2:5] = u
@test Blo.hypergradient(workspace, @view(spread[1:2:5]), w) == expected
into = zeros(5)
Blo.hypergradient!(@view(into[2:4]), workspace, u, w)
@test into == [0; expected; 0]
# Outputs may overlap u and w, as the library allows.
both = copy(u)
@test Blo.hypergradient!(both, workspace, both, w) == expected

status(call) = (failure = thrown(call); failure isa Blo.Error ? failure.status : failure)
@test status(() -> Blo.hypergradient!(@view(spread[1:2:5]), workspace, u, w)) == Blo.ABI.BLO_ERR_INVALID
@test status(() -> Blo.hypergradient!(zeros(4), workspace, u, w)) == Blo.ABI.BLO_ERR_SHAPE
@test status(() -> Blo.hypergradient(workspace, u, w; q = zeros(3))) == Blo.ABI.BLO_ERR_SHAPE
@test status(() -> Blo.hypergradient(workspace, Float32.(u), w)) == Blo.ABI.BLO_ERR_INVALID
@test status(() -> Blo.hypergradient(workspace, [1, 2, 3], w)) == Blo.ABI.BLO_ERR_INVALID
@test status(() -> Blo.response_vjp(workspace, u, w, u)) == Blo.ABI.BLO_ERR_SHAPE
@test status(() -> Blo.response_jvp(workspace, u, w, w)) == Blo.ABI.BLO_ERR_SHAPE
failure = thrown(() -> Blo.hypergradient(workspace, w, w))
@test failure.status == Blo.ABI.BLO_ERR_SHAPE && occursin("u", failure.message) && occursin("4", failure.message) && occursin("3", failure.message)
@test occursin("BLO_ERR_SHAPE", sprint(showerror, failure))
@test status(() -> Blo.hypergradient(workspace, [NaN, 0, 0], w)) == Blo.ABI.BLO_ERR_NON_FINITE
@test status(() -> Blo.hvp(Blo.Workspace(problem), w)) == Blo.ABI.BLO_ERR_INVALID

# There are two precisions.
for make in (() -> Blo.quadratic([1 0; 0 1], [1 0; 0 1], [1 0; 0 1]), () -> Blo.Solver{Int}(3), () -> Blo.Session{Float16}(3),
    () -> Blo.Optimizer{BigFloat}(Blo.rule(), 3), () -> Blo.Examples([1 2; 3 4], [1, 2]) |> x -> Blo.regression(x, x))
    @test status(make) == Blo.ABI.BLO_ERR_INVALID
end

# Options.
how = Blo.estimator(:cg; iterations = 3, verify = false)
@test (how.kind, how.iterations, how.verify) == (Blo.ABI.BLO_ESTIMATOR_CG, 3, 0)
@test Blo.with(how; tolerance = 1e-3).tolerance == 1e-3
@test occursin(":minres", thrown(() -> Blo.estimator(:cgg)).msg)
@test occursin("iterations", thrown(() -> Blo.estimator(:cg; iteration = 3)).msg)
@test_throws ArgumentError Blo.estimator(:cg; iterations = :many)
@test_throws ArgumentError Blo.estimator(:cg; struct_size = 3)
@test_throws InexactError Blo.estimator(:cg; iterations = 2.5)
@test status(() -> Blo.hypergradient(workspace, u, w, Blo.estimator(:cg))) == Blo.ABI.BLO_ERR_INVALID # iterations are not set
@test Blo.run_options(inner_rule = Blo.rule(:momentum; step = 0.5)).inner_rule.kind == Blo.ABI.BLO_RULE_MOMENTUM
# Every field that says "One of" has at least two names.
for ((struct_name, field), prefix) in Blo.ABI.CHOICES
    @test count(constant -> startswith(constant[1], prefix), Blo.ABI.CONSTANTS) >= 2
end
