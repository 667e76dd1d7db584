@test Blo.candidates("/x/libblo.so", "/y/libblo.so") == ("BLO_LIBRARY in the environment", ["/x/libblo.so"])
@test Blo.candidates("", "/y/libblo.so") == ("the preference `library` of Blo", ["/y/libblo.so"])
@test Blo.candidates(nothing, nothing) == ("the system's loader", Blo.NAMES)

# A fresh process, since the library is found when the package is loaded.
function loading(library, code = "import Blo")
    command = setenv(`$(Base.julia_cmd()) --startup-file=no --project=$(Base.active_project()) -e $code`,
        merge(Dict(ENV), Dict("BLO_LIBRARY" => library)))
    messages = IOBuffer()
    success = Base.success(pipeline(ignorestatus(command); stdout = messages, stderr = messages))
    return success, String(take!(messages))
end

success, text = loading("/nowhere/libblo.so")
@test !success
@test occursin("not found by BLO_LIBRARY in the environment", text) && occursin("/nowhere/libblo.so", text)
# A second import cannot make it worse.
success, text = loading("/nowhere/libblo.so", "try import Blo catch end; import Blo; Blo.rule()")
@test !success && occursin(r"not loaded|not found", text) && !occursin("signal", text)

# Libraries of another kind, of another binary interface, and without a function: made here, where there is a compiler.
if Sys.which("cc") !== nothing
    abi = Blo.ABI.BLO_ABI_VERSION
    version(number) = "int blo_abi_version(void) { return $number; }\n"
    mktempdir() do folder
        for (name, text, expected) in (("other", "int x;\n", "not the library blo"),
            ("newer", version(abi + 7), "found binary interface $(abi + 7), expected $abi"),
            ("older", version(abi), "older than this package, it lacks blo_status_text"))
            source, library = joinpath(folder, "$name.c"), joinpath(folder, "lib$name.so")
            write(source, text)
            run(`cc -shared -fPIC $source -o $library`)
            success, text = loading(library)
            @test !success && occursin(expected, text)
        end
    end
end

@test unsafe_string(Blo.ABI.blo_version()) != ""
@test all(address -> address != C_NULL, Blo.ABI.addresses)
@test length(Blo.ABI.addresses) == length(Blo.ABI.SYMBOLS) > 100
# The structs are as large as the library says: a size below the first released one is refused, and the right one is not.
@test Blo.ABI.blo_estimator_options_init(Ref{Blo.EstimatorOptions}(), sizeof(Blo.EstimatorOptions)) == Blo.ABI.BLO_OK
