// keelson-pause: the first process of every pod sandbox. It holds the pod's namespaces, reaps orphans where the pod shares
// its process namespace, and ends on SIGTERM or SIGINT. Freestanding: no C library, so the image is a few kilobytes.
#if defined(__x86_64__)
enum { kSigtimedwait = 128, kSigprocmask = 14, kWait4 = 61, kExitGroup = 231 };
static long sys4(long n, long a, long b, long c, long d) {
  register long r10 __asm__("r10") = d;
  long ret;
  __asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return ret;
}
#elif defined(__aarch64__)
enum { kSigtimedwait = 137, kSigprocmask = 135, kWait4 = 260, kExitGroup = 94 };
static long sys4(long n, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#else
#error "keelson-pause knows x86-64 and arm64"
#endif

enum { kSigint = 2, kSigterm = 15, kSigchld = 17, kSigBlock = 0, kNoHang = 1, kSetBytes = 8 };

// Signals are blocked and fetched one by one, so none is lost between two looks; a blocked one reaches even process 1.
__attribute__((noreturn, used)) void pause_main(void) {
  unsigned long set = 1ul << (kSigint - 1) | 1ul << (kSigterm - 1) | 1ul << (kSigchld - 1);
  sys4(kSigprocmask, kSigBlock, (long)&set, 0, kSetBytes);
  for (;;) {
    long sig = sys4(kSigtimedwait, (long)&set, 0, 0, kSetBytes);
    if (sig == kSigchld) {
      while (sys4(kWait4, -1, 0, kNoHang, 0) > 0) {
      }
    } else if (sig > 0) {
      for (;;) sys4(kExitGroup, 0, 0, 0, 0);
    }
  }
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp,%ebp\n and $-16,%rsp\n call pause_main\n");
#else
__asm__(".globl _start\n_start: bl pause_main\n");
#endif
