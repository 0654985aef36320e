/* Mandelbrot in plain C, one pixel at a time. */

#include <stddef.h>
#include <stdint.h>

static int32_t
escape_count(double cx, double cy, ptrdiff_t max_iter)
{
    double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0;
    ptrdiff_t n = 0;

    while (n < max_iter && xx + yy <= 4.0) {
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
        xx = x * x;
        yy = y * y;
        n++;
    }
    return (int32_t)n;
}

void
mandelbrot_rows(int32_t *counts, ptrdiff_t width, ptrdiff_t height, ptrdiff_t first, ptrdiff_t last, double xmin,
                double xmax, double ymin, double ymax, ptrdiff_t max_iter)
{
    for (ptrdiff_t j = first; j < last; j++) {
        double cy = ymin + (ymax - ymin) * (double)j / (double)height;

        for (ptrdiff_t i = 0; i < width; i++) {
            double cx = xmin + (xmax - xmin) * (double)i / (double)width;

            counts[j * width + i] = escape_count(cx, cy, max_iter);
        }
    }
}
