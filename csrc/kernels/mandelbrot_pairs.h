/* mandelbrot_pairs.h: what mandelbrot_vector.h asks for, where a register holds two doubles: lanes move one by one.

   In Python: see mandelbrot_vector.h.

   The file that includes this one defines signs(integers): the lanes that are negative.

   Threads: no state. Ownership: owns nothing. */

INLINE unsigned
at_most(vector a, vector b)
{
    return signs((integers)(a <= b));
}

INLINE unsigned
used_up(integers n)
{
    return signs(n - 1);
}

INLINE integers
plus_one(integers n, unsigned lanes)
{
    return n + (integers){lanes & 1, lanes >> 1};
}

INLINE vector
pack(vector v, unsigned lanes)
{
    if (lanes == 2) {
        v[0] = v[1];
    }
    return v;
}

INLINE vector
unpack(vector v, unsigned lanes, const double *next)
{
    if (lanes & 1) {
        v[0] = *next++;
    }
    if (lanes & 2) {
        v[1] = *next;
    }
    return v;
}
