import Config

/// The program: arguments in, exit code out.
struct FastGateCommand {
    let console: any Console
    let environment: [String: String]

    func run(_ arguments: [String]) -> Int32 {
        if let first = arguments.first, ProviderTool.names.contains(first) {
            return ProviderTool(console: console, environment: environment).run(arguments)
        }
        do throws(UsageError) {
            return perform(try Invocation(arguments))
        } catch {
            console.complain("fastgate: \(printable(error.message))")
            console.complain("Try \"\(error.topic.command)\".")
            return ExitCode.usage
        }
    }

    func perform(_ invocation: Invocation) -> Int32 {
        do throws(CommandFailure) {
            switch invocation {
            case .help(let topic): console.print(topic.text)
            case .version(let asJSON): console.print(VersionReport.text(asJSON: asJSON))
            case .serve(let path): return serve(try load(path))
            case .check(let options): try CheckCommand(console: console).run(try load(options.configPath), options)
            case .keysCreate(let tool, let options): try keys(tool, creates: true).create(options)
            case .keysList(let tool, let options): try keys(tool).list(options)
            case .keysRevoke(let tool, let ids, let deletes): try keys(tool).revoke(ids, deletes: deletes)
            case .routesList(let tool): try routes(tool).list()
            case .routesImport(let tool, let options):
                try routes(tool, creates: !options.isDryRun).importRoutes(options)
            case .routesExport(let tool, let path): try routes(tool).export(to: path)
            case .logsTail(let tool, let options): try logs(tool).tail(options)
            case .logsExport(let tool, let options): try logs(tool).export(options)
            }
            return ExitCode.ok
        } catch {
            console.complain("fastgate: \(printable(error.message))")
            return error.exitCode
        }
    }

    private func load(_ path: String?) throws(CommandFailure) -> LoadedConfig {
        do throws(ConfigError) {
            return try Settings.load(path: path, environment: environment)
        } catch {
            throw CommandFailure(message: error.description, exitCode: ExitCode.configuration)
        }
    }

    private func keys(_ tool: ToolOptions, creates: Bool = false) throws(CommandFailure) -> KeysCommand {
        KeysCommand(access: try access(tool, creates), console: console, asJSON: tool.asJSON)
    }

    private func routes(_ tool: ToolOptions, creates: Bool = false) throws(CommandFailure) -> RoutesCommand {
        RoutesCommand(access: try access(tool, creates), console: console, asJSON: tool.asJSON)
    }

    private func logs(_ tool: ToolOptions) throws(CommandFailure) -> LogsCommand {
        LogsCommand(access: try access(tool, false), console: console, asJSON: tool.asJSON)
    }

    private func access(_ tool: ToolOptions, _ creates: Bool) throws(CommandFailure) -> any AdminAccess {
        try AccessChoice(settings: try load(tool.configPath).settings).access(createsDatabase: creates)
    }
}
