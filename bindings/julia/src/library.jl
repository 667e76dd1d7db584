# Finds the library, checks that it is one for this package, and looks up its functions.

const UUID = Base.UUID("b10e1a6e-7c52-4d0b-9f7e-2f3c6a1d8e45")

# The file names that the system's loader is asked for, with the number of the binary interface.
const NAMES = Sys.iswindows() ? ["blo"] : Sys.isapple() ? ["libblo.$(ABI.BLO_ABI_VERSION).dylib", "libblo"] :
    ["libblo.so.$(ABI.BLO_ABI_VERSION)", "libblo"]

# LocalPreferences.toml, as Preferences.jl reads it; from Julia 1.6.
function preferred()
    isdefined(Base, :get_preferences) || return nothing
    path = get(Base.get_preferences(UUID), "library", nothing)
    return path isa AbstractString ? String(path) : nothing
end

# What is tried, and who says so. A path that somebody set is the only one.
function candidates(environment, preference)
    environment === nothing || isempty(environment) || return "BLO_LIBRARY in the environment", [String(environment)]
    preference === nothing || return "the preference `library` of Blo", [preference]
    return "the system's loader", NAMES
end

function attach()
    origin, paths = candidates(get(ENV, "BLO_LIBRARY", nothing), preferred())
    failures = String[]
    for path in paths
        try
            return attach(Libdl.dlopen(path), path)
        catch failure
            failure isa ErrorException || rethrow()
            push!(failures, failure.msg)
        end
    end
    throw(LibraryError("the library blo was not found by $origin:\n  " * join(failures, "\n  ") *
        "\nInstall it (make install), then set BLO_LIBRARY to its path, or the preference `library`, or LD_LIBRARY_PATH."))
end

function attach(library, path)
    version = Libdl.dlsym(library, :blo_abi_version; throw_error = false)
    version === nothing && throw(LibraryError("$path: not the library blo, it lacks blo_abi_version"))
    found = ccall(version, Int32, ())
    expected = ABI.BLO_ABI_VERSION
    found == expected || throw(LibraryError("$path: found binary interface $found, expected $expected"))
    addresses = map(ABI.SYMBOLS) do symbol
        address = Libdl.dlsym(library, symbol; throw_error = false)
        address === nothing && throw(LibraryError("$path: older than this package, it lacks $symbol"))
        address
    end
    copyto!(ABI.addresses, addresses)
    return nothing
end

# What is called in place of the library if `import` failed, and was tried again: Julia has the module then.
absent() = throw(LibraryError("the library was not loaded: the first `import Blo` said why"))

"The library is not there, or not one for this package; `using Blo` throws it."
struct LibraryError <: Exception
    message::String
end

Base.showerror(io::IO, error::LibraryError) = print(io, "Blo: ", error.message)
