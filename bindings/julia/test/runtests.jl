# Each file in a module of its own.
using Test

@testset "Blo" begin
    for name in ["library", "filters", "problems", "arrays", "callbacks", "runners", "analysis", "chainrules", "lifetimes"]
        @testset "$name" begin
            @eval module $(Symbol(name))
            using Test, LinearAlgebra, Random
            import Blo
            include("common.jl")
            include($(name * ".jl"))
            end
        end
    end
end
