# The argmin map without and with its rule. Where ChainRulesCore is not there (or Julia does not know extensions), the extension is
# loaded over a stand-in with the names that it uses.
rng = MersenneTwister(9)
A, _, _ = semidefinite(rng, 4, 4)
B, d = randn(rng, 4, 3), randn(rng, 4)
workspace = Blo.Workspace(Blo.quadratic(A, B, Matrix(1.0I, 4, 4); d = d))
u, w = randn(rng, 3), randn(rng, 4)
solution(u) = -(A \ (B * u + d))
@test Blo.best_response(workspace, u, w) ≈ solution(u) rtol = 1e-10
by_hand(w, u) = w .= solution(u)
@test Blo.best_response(workspace, u, w; solve! = by_hand) == solution(u)

if Base.find_package("ChainRulesCore") === nothing || VERSION < v"1.9"
    @info "ChainRulesCore: tested on a stand-in"
    @eval Main module ChainRulesCore
    abstract type AbstractZero end
    struct NoTangent <: AbstractZero end
    struct ZeroTangent <: AbstractZero end
    struct Thunk
        f::Any
    end
    unthunk(x) = x
    unthunk(x::Thunk) = x.f()
    ProjectTo(::AbstractArray) = identity
    function rrule end
    end
    # A module of a package would say `import ChainRulesCore`; here it is a module of Main.
    source = replace(read(joinpath(dirname(pathof(Blo)), "..", "ext", "BloChainRulesCoreExt.jl"), String), r"\bimport (Blo|ChainRulesCore)\b" => s"import Main.\1")
    @eval Main import Blo
    include_string(Main, source)
    Rules = Main.ChainRulesCore
else
    @eval import ChainRulesCore
    Rules = ChainRulesCore
end

function check_rule(Rules, how)
    found, pullback = Rules.rrule(Blo.best_response, workspace, u, w, how...)
    @test found == Blo.best_response(workspace, u, w, how...)
    v = randn(rng, 4)
    own, at, du, dw = pullback(v)[1:4]
    @test own isa Rules.NoTangent && at isa Rules.NoTangent && dw isa Rules.AbstractZero
    # Against central differences of vᵀw*(u), which is linear in u here.
    for i in 1:3
        e = [j == i for j in 1:3]
        slope = (dot(v, Blo.best_response(workspace, u + e, w)) - dot(v, Blo.best_response(workspace, u - e, w))) / 2
        @test du[i] ≈ slope rtol = 1e-9
    end
    # The workspace may be used at another point in between.
    Blo.hypergradient(workspace, 2u, w)
    @test pullback(v)[3] == du
    @test pullback(Rules.ZeroTangent())[3] isa Rules.AbstractZero
end
Base.invokelatest(check_rule, Rules, ())
Base.invokelatest(check_rule, Rules, (Blo.estimator(:cg; iterations = 20),))
_, pullback = Base.invokelatest(Rules.rrule, Blo.best_response, workspace, u, w, Blo.estimator(:zero))
@test Base.invokelatest(pullback, ones(4))[3] == zeros(3)
