import Glibc

occupyStandardFiles()
exit(
    FastGateCommand(console: StandardConsole(), environment: processEnvironment())
        .run(Array(CommandLine.arguments.dropFirst())))
