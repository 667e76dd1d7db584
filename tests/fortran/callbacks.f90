! The hypergradient of a problem of the caller's functions, in Fortran: the header assumes nothing of C's compiler.
!   f = |w - u|^2 / 2 + |w|^2 / 2, so H = 2, M = -1, w = u / 2;  F = |w - 1|^2 / 2;  dF/du = (u / 2 - 1) / 2
module functions
    use, intrinsic :: iso_c_binding
    implicit none

    type, bind(c) :: blo_callbacks_f64
        integer(c_int32_t) :: struct_size, reserved
        type(c_funptr) :: inner, outer, hvp, mixed_vjp, mixed_jvp, release
    end type

    interface
        function blo_problem_create_callbacks_f64(n_outer, n_inner, callbacks, user_data, problem) bind(c) result(status)
            import
            integer(c_int64_t), value :: n_outer, n_inner
            type(blo_callbacks_f64), intent(in) :: callbacks
            type(c_ptr), value :: user_data
            type(c_ptr), intent(out) :: problem
            integer(c_int32_t) :: status
        end function
        function blo_workspace_create_f64(problem, workspace) bind(c) result(status)
            import
            type(c_ptr), value :: problem
            type(c_ptr), intent(out) :: workspace
            integer(c_int32_t) :: status
        end function
        function blo_hypergradient_f64(workspace, estimator, u, n_outer, w, n_inner, hypergradient, q, report) &
            bind(c) result(status)
            import
            type(c_ptr), value :: workspace, estimator, q, report
            integer(c_int64_t), value :: n_outer, n_inner
            real(c_double), intent(in) :: u(*), w(*)
            real(c_double), intent(out) :: hypergradient(*)
            integer(c_int32_t) :: status
        end function
        function blo_last_error(buffer, capacity, needed) bind(c) result(status)
            import
            character(kind=c_char), intent(out) :: buffer(*)
            integer(c_size_t), value :: capacity
            type(c_ptr), value :: needed
            integer(c_int32_t) :: status
        end function
        subroutine blo_workspace_destroy_f64(workspace) bind(c)
            import
            type(c_ptr), intent(inout) :: workspace
        end subroutine
        subroutine blo_problem_destroy_f64(problem) bind(c)
            import
            type(c_ptr), intent(inout) :: problem
        end subroutine
    end interface

contains
    function inner(m, n, u, w, val, gradient, user_data) bind(c) result(status)
        integer(c_int64_t), value :: m, n
        real(c_double), intent(in) :: u(m), w(n)
        real(c_double), intent(out) :: val, gradient(n)
        type(c_ptr), value :: user_data
        integer(c_int32_t) :: status
        gradient = 2 * w - u
        val = 0.5d0 * sum((w - u)**2) + 0.5d0 * sum(w**2)
        status = 0
    end function

    function outer(m, n, u, w, val, gradient_u, gradient_w, user_data) bind(c) result(status)
        integer(c_int64_t), value :: m, n
        real(c_double), intent(in) :: u(m), w(n)
        real(c_double), intent(out) :: val, gradient_u(m), gradient_w(n)
        type(c_ptr), value :: user_data
        integer(c_int32_t), pointer :: answer
        integer(c_int32_t) :: status
        gradient_u = 0
        gradient_w = w - 1
        val = 0.5d0 * sum((w - 1)**2)
        ! user_data is the status to be returned.
        call c_f_pointer(user_data, answer)
        status = answer
    end function

    function hvp(m, n, u, w, v, out, user_data) bind(c) result(status)
        integer(c_int64_t), value :: m, n
        real(c_double), intent(in) :: u(m), w(n), v(n)
        real(c_double), intent(out) :: out(n)
        type(c_ptr), value :: user_data
        integer(c_int32_t) :: status
        out = 2 * v
        status = 0
    end function

    function mixed_vjp(m, n, u, w, v, out, user_data) bind(c) result(status)
        integer(c_int64_t), value :: m, n
        real(c_double), intent(in) :: u(m), w(n), v(n)
        real(c_double), intent(out) :: out(m)
        type(c_ptr), value :: user_data
        integer(c_int32_t) :: status
        out = -v
        status = 0
    end function
end module

program callbacks
    use functions
    implicit none
    integer(c_int64_t), parameter :: n = 3
    integer(c_int32_t), target :: answer = 0
    type(blo_callbacks_f64) :: own
    type(c_ptr) :: problem, workspace
    real(c_double) :: u(n) = [0.4d0, -1d0, 3d0], g(n)
    character(kind=c_char) :: message(256)
    integer(c_int32_t) :: status

    own = blo_callbacks_f64(int(c_sizeof(own), c_int32_t), 0, c_funloc(inner), c_funloc(outer), c_funloc(hvp), &
        c_funloc(mixed_vjp), c_null_funptr, c_null_funptr)
    if (blo_problem_create_callbacks_f64(n, n, own, c_loc(answer), problem) /= 0) error stop "problem"
    if (blo_workspace_create_f64(problem, workspace) /= 0) error stop "workspace"
    call blo_problem_destroy_f64(problem)
    if (c_associated(problem)) error stop "the handle is not NULL"
    if (blo_hypergradient_f64(workspace, c_null_ptr, u, n, u / 2, n, g, c_null_ptr, c_null_ptr) /= 0) error stop "call"
    if (maxval(abs(g - (u / 2 - 1) / 2)) > 1d-15) error stop "another hypergradient"

    ! A status of ours ends the call, and the message has it.
    answer = 42
    status = blo_hypergradient_f64(workspace, c_null_ptr, u, n, u / 2, n, g, c_null_ptr, c_null_ptr)
    if (status /= -60) error stop "another status"
    status = blo_last_error(message, size(message, kind=c_size_t), c_null_ptr)
    if (index(transfer(message, repeat(" ", 256)), "42") == 0) error stop "the message has not the number"
    call blo_workspace_destroy_f64(workspace)
    print "(a)", "Fortran: the hypergradient is right"
end program
