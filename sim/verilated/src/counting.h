// How generated code counts coverage, in place of what it calls by the names at the end.
//
// Toggles: Verilator 5.048 shifts each word of a vector wider than 64 bits by as much as the whole vector
// has bits left (VL_COV_TOGGLE_CHG_ST_W), so that a bit which toggles counts once more for every word above
// it, and wide vectors look better tested than they are. These look at the bits that have changed, and at no
// others, which is faster, too.
//
// Points: each instance would list all of its points, some 140,000 with their names, which takes longer than
// most tests. Only the one that is written to a file has to.

#ifndef NVME_RTL_COUNTING_H_
#define NVME_RTL_COUNTING_H_

#include "verilated_cov.h"

namespace nvme_rtl {

// Does the instance that is being made by this thread list its points?
inline thread_local bool lists_points = false;

// Each bit has two counters: it has fallen, it has risen.
template <typename Word>
constexpr void count_word(uint32_t* counters, Word now, Word before, int width) {
    constexpr int WORD_BITS = 8 * sizeof(Word);
    const Word within = width >= WORD_BITS ? ~Word{0} : (Word{1} << width) - 1;
    for (Word changed = (now ^ before) & within; changed; changed &= changed - 1) {
        const int bit = __builtin_ctzll(changed);
        ++counters[2 * bit + ((now >> bit) & 1)];
    }
}

constexpr void count_words(int width, uint32_t* counters, const EData* now, const EData* before) {
    for (int word = 0; VL_EDATASIZE * word < width; ++word) {
        const int below = VL_EDATASIZE * word;
        count_word(counters + 2 * below, now[word], before[word], width - below);
    }
}

// The compiler looks whether a vector's words are kept apart.
constexpr bool counts_each_bit_once() {
    const EData before[3] = {0x80000001, 0, 0x1};
    const EData now[3] = {0x80000000, 0x2, 0xff};
    uint32_t counters[2 * 70] = {};
    count_words(70, counters, now, before);
    for (int counter = 0; counter < 2 * 70; ++counter) {
        const int bit = counter / 2;
        const bool rises = counter % 2;
        const bool expected = rises ? bit == 33 || (bit > 64 && bit < 70) : bit == 0;
        if (counters[counter] != expected) return false;
    }
    return true;
}
static_assert(counts_each_bit_once(), "toggles of a wide vector");

}  // namespace nvme_rtl

#define VL_COV_TOGGLE_CHG_ST_I(width, counters, now, before) \
    nvme_rtl::count_word<IData>(counters, now, before, width)
#define VL_COV_TOGGLE_CHG_ST_Q(width, counters, now, before) \
    nvme_rtl::count_word<QData>(counters, now, before, width)
#define VL_COV_TOGGLE_CHG_ST_W(width, counters, now, before) \
    nvme_rtl::count_words(width, counters, now, before)

#undef VL_COVER_INSERT
#define VL_COVER_INSERT(list, name, counter, ...) \
    do { \
        if (nvme_rtl::lists_points) { \
            auto* const listed = list; \
            listed->_inserti(counter); \
            listed->_insertf(__FILE__, __LINE__); \
            listed->_insertp("hier", name, __VA_ARGS__); \
        } \
    } while (false)

#endif
