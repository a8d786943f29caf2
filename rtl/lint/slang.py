"""slang, a second opinion on the Verilog: `slang.py OPTIONS FILES`, exit code 1 when it finds anything."""

import shlex
import sys

from pyslang import driver

slang = driver.Driver()
slang.addStandardArgs()
ready = slang.parseCommandLine(shlex.join(["slang", *sys.argv[1:]]))
ready = ready and slang.processOptions() and slang.parseAllSources()
sys.exit(0 if ready and slang.runFullCompilation(quiet=True) else 1)
