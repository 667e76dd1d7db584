# Every call of the library: errors, exceptions of callbacks, and handles.

"A call that failed: `status` is one of `Blo.ABI.BLO_ERR_`, `message` tells the argument, what was found, what was expected."
struct Error <: Exception
    status::Int32
    message::String
end

function Base.showerror(io::IO, error::Error)
    print(io, "Blo.Error: ", error.message, " (", something(constant("BLO_ERR_", error.status), error.status), ")")
end

# The constant of a family with this value.
function constant(prefix, value)
    for (name, number) in ABI.CONSTANTS
        number == value && startswith(name, prefix) && return name
    end
    return nothing
end

function last_message(status)
    needed = Ref{Csize_t}(0)
    ABI.blo_last_error(C_NULL, 0, needed)
    text = Vector{UInt8}(undef, needed[])
    ABI.blo_last_error(text, length(text), C_NULL)
    message = isempty(text) ? "" : String(text[1:end-1])
    return isempty(message) ? unsafe_string(ABI.blo_status_text(status)) : message
end

# An exception cannot pass through the library. It is kept with its task, in which the callback runs as the call does (a
# thread would not do: a callback may yield), and thrown when the call has returned.
const KEY = :Blo_thrown
const kept = Threads.Atomic{Int}(0)

"What is below an exception that a callback threw, in the exception stack: where it came from."
struct CallbackTrace <: Exception
    thrown::Any
    trace::Any
end

function Base.showerror(io::IO, error::CallbackTrace)
    print(io, "a callback threw ")
    showerror(io, error.thrown, error.trace)
end

# A function of its own, since what is compiled into a `try` is compiled badly.
@noinline apart(body::F) where {F} = Base.reenable_sigint(body)::Int32

# Runs the body of a callback, which returns its status.
function guarded(body::F) where {F}
    try
        return apart(body)
    catch thrown
        haskey(task_local_storage(), KEY) || Threads.atomic_add!(kept, 1)
        task_local_storage(KEY, CallbackTrace(thrown, catch_backtrace()))
        return Int32(-1)
    end
end

# Runs a call of the library, which returns its status. Interrupts wait until it is over, or for the next callback, since they
# must not unwind the library.
function call(body::F) where {F}
    status = Base.disable_sigint(body)
    (status == ABI.BLO_OK && kept[] == 0) || settle(status)
    return nothing
end

@noinline function settle(status)
    if kept[] != 0 && haskey(task_local_storage(), KEY)
        trace = pop!(task_local_storage(), KEY)
        Threads.atomic_sub!(kept, 1)
        # The exception itself comes out; where it came from is below it in the stack of exceptions.
        try
            throw(trace)
        catch
            throw(trace.thrown)
        end
    end
    status == ABI.BLO_OK || throw(Error(status, last_message(status)))
end

# A mutable struct with `pointer`, which is NULL after it was closed. Finalizers run in any order; the library counts who uses a
# problem, so that any order is right.
abstract type Handle{T} end

Base.unsafe_convert(::Type{Ptr{P}}, handle::Handle) where {P} = handle.pointer::Ptr{P}

"""
    close(handle)

Ends a handle now; calls with it throw from then on. What was made from a problem goes on with it.
"""
function Base.close(handle::Handle)
    place = Ref(handle.pointer)
    handle.pointer = C_NULL
    destroy(handle, place)
    return nothing
end

Base.isopen(handle::Handle) = handle.pointer != C_NULL

precise(::Type{T}) where {T} =
    T in (Float64, Float32) || throw(Error(ABI.BLO_ERR_INVALID, "elements: found $T, expected Float64 or Float32"))

# The pointer that a create function writes.
function created(create, ::Type{P}) where {P}
    place = Ref{Ptr{P}}(C_NULL)
    call(() -> create(place))
    return place[]
end

optional(x) = x
optional(::Nothing) = C_NULL
